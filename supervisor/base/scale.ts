import { DURATION_FORMAT, type Duration, MAX_TIMER_MS, parseDuration } from './durations.ts'
import { didYouMean } from './suggest.ts'

/** How many instances of a worker the autoscaler keeps, by how much there is to do. */
export interface ScaleOptions {
  /**
   * The fewest instances, over all machines. 0: none while there is nothing to do; the next message starts one.
   * @default 1
   */
  min?: number
  /**
   * The most instances, over all machines. `MAX_INSTANCES` limits them on one machine.
   * @default 4, or `min` where that is more
   */
  max?: number
  /**
   * How many messages, waiting or in progress, are worth an instance.
   * @default 100
   */
  messagesPerInstance?: number
  /**
   * How long fewer instances must have been enough until one is ended.
   * @default '60s'
   */
  cooldown?: Duration
}

/** The same with every option settled; `cooldown` in milliseconds. */
export interface Scale {
  readonly min: number
  readonly max: number
  readonly messagesPerInstance: number
  readonly cooldown: number
}

const DEFAULTS = { min: 1, max: 4, messagesPerInstance: 100, cooldown: 60_000 } as const

/** The most that an option takes; whatever a machine or a broker takes is less. */
const MOST = { min: 1_000, max: 1_000, messagesPerInstance: 1_000_000_000 } as const

/** Reads a worker's `scale`, and tells what is wrong with it. */
export function parseScale(value: unknown): { scale: Scale; problems: string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { scale: DEFAULTS, problems: [`scale: expected an object of options, found ${String(value)}`] }
  }
  const given = value as Record<string, unknown>
  const known = Object.keys(DEFAULTS)
  const problems = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `scale: unknown option '${name}'${didYouMean(name, known)}; known are ${known.join(', ')}`)

  const whole = (name: keyof typeof MOST, least: number, otherwise: number) => {
    const number = given[name] ?? otherwise
    if (Number.isInteger(number) && (number as number) >= least && (number as number) <= MOST[name]) {
      return number as number
    }
    problems.push(`scale.${name}: expected a whole number from ${least} to ${MOST[name]}, found ${String(number)}`)
    return otherwise
  }
  const min = whole('min', 0, DEFAULTS.min)
  const max = whole('max', 1, Math.max(DEFAULTS.max, min))
  if (max < min) problems.push(`scale.max: expected at least scale.min, ${min}; found ${max}`)
  const messagesPerInstance = whole('messagesPerInstance', 1, DEFAULTS.messagesPerInstance)
  const cooldown = parseDuration(given.cooldown ?? DEFAULTS.cooldown)
  if (cooldown === undefined || cooldown > MAX_TIMER_MS) {
    problems.push(`scale.cooldown: expected ${DURATION_FORMAT}, up to 24 days; found ${String(given.cooldown)}`)
  }
  return { scale: { min, max, messagesPerInstance, cooldown: cooldown ?? DEFAULTS.cooldown }, problems }
}

/**
 * Whether a machine's ceiling holds what the workers always have there: an instance of each without `scale`, and `min` of
 * the others; and beside them one for all that have none.
 * @param ceiling MAX_INSTANCES
 * @returns what is wrong and what to do, in a sentence
 */
export function ceilingProblem(
  workers: readonly { readonly scale?: Scale | undefined }[],
  ceiling: number,
): string | undefined {
  const scales = workers.flatMap(({ scale }) => (scale ? [scale] : []))
  const unscaled = workers.length - scales.length
  const min = scales.reduce((sum, one) => sum + one.min, 0)
  const needed = unscaled + min + (scales.length > 0 && min === 0 ? 1 : 0)
  if (needed <= ceiling) return undefined
  const which = `${unscaled} for those without \`scale\`, ${needed - unscaled} for the others`
  const room = Math.max(ceiling - unscaled, 0)
  const outcome = room === 0 ? 'those with `scale` do not run' : `those with \`scale\` take turns in ${room}`
  return (
    `MAX_INSTANCES is ${ceiling}: expected at least ${needed} on a machine that runs all workers alone (${which}). ` +
    `Set it, or a lower \`min\`; as it is, ${outcome}.`
  )
}
