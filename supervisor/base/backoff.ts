import { DURATION_FORMAT, type Duration, MAX_DELAY_MS, parseDuration } from './durations.ts'
import { didYouMean } from './suggest.ts'

/** How long a message waits between two attempts. */
export interface BackoffOptions {
  /**
   * `fixed`: always `delay`. `exponential`: `delay` after the first attempt, and twice as long after each other one.
   * @default 'exponential'
   */
  type?: 'fixed' | 'exponential'
  /**
   * The wait after the first attempt, in steps of 100 ms.
   * @default '1s'
   */
  delay?: Duration
  /**
   * The longest wait.
   * @default '5m', or `delay` where that is longer
   */
  maxDelay?: Duration
  /**
   * Up to which share of a wait is left out at random, from 0 to 1: what failed together does not come back together.
   * @default 0.5: a wait of 10 seconds is one of 5 to 10
   */
  jitter?: number
}

/** The same with every option settled; milliseconds. */
export interface Backoff {
  readonly type: 'fixed' | 'exponential'
  readonly delay: number
  readonly maxDelay: number
  readonly jitter: number
}

const DEFAULTS = { type: 'exponential', delay: 1_000, maxDelay: 300_000, jitter: 0.5 } as const

/** Milliseconds to wait after an attempt, counted from 1, that has failed. */
export function backoffDelay({ type, delay, maxDelay, jitter }: Backoff, attempt: number, random: number): number {
  const whole = type === 'fixed' ? delay : Math.min(maxDelay, delay * 2 ** Math.min(attempt - 1, 64))
  return Math.round(whole * (1 - jitter * random))
}

/** Reads a worker's `backoff`, and tells what is wrong with it. */
export function parseBackoff(value: unknown = {}): { backoff: Backoff; problems: string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { backoff: DEFAULTS, problems: [`backoff: expected an object of options, found ${String(value)}`] }
  }
  const given = value as Record<string, unknown>
  const known = Object.keys(DEFAULTS)
  const problems = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `backoff: unknown option '${name}'${didYouMean(name, known)}; known are ${known.join(', ')}`)

  const { type = DEFAULTS.type, jitter = DEFAULTS.jitter } = given
  if (type !== 'fixed' && type !== 'exponential') {
    problems.push(`backoff.type: expected 'fixed' or 'exponential', found ${String(type)}`)
  }
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    problems.push(`backoff.jitter: expected a number from 0 to 1, found ${String(jitter)}`)
  }
  const duration = (name: 'delay' | 'maxDelay', otherwise: number) => {
    const ms = parseDuration(given[name] ?? otherwise)
    if (ms !== undefined && ms <= MAX_DELAY_MS) return ms
    problems.push(`backoff.${name}: expected ${DURATION_FORMAT}, up to 310 days; found ${String(given[name])}`)
    return otherwise
  }
  const delay = duration('delay', DEFAULTS.delay)
  const maxDelay = duration('maxDelay', Math.max(DEFAULTS.maxDelay, delay))
  if (maxDelay < delay) problems.push(`backoff.maxDelay: expected at least delay, ${delay} ms; found ${maxDelay} ms`)
  return { backoff: { type, delay, maxDelay, jitter } as Backoff, problems }
}
