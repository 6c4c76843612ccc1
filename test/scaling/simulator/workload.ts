import type { Scale } from '../../../supervisor/base/scale.ts'

/** Milliseconds of simulated time at once: as often as the autoscaler looks. */
export const TICK = 100

/** What comes for one worker, and how fast its instances are. */
export interface Workload {
  readonly worker: string
  readonly scale: Scale
  /** Messages that an instance handles at once. */
  readonly concurrency: number
  /** Milliseconds that a message takes. */
  readonly serviceMs: number
  /** Messages a second, at that second. */
  readonly rate: (second: number) => number
}

export interface Scenario {
  readonly name: string
  /** In a sentence, for the picture. */
  readonly what: string
  readonly seconds: number
  /** How many worker processes the machine may have. */
  readonly ceiling: number
  readonly workloads: readonly [Workload, ...Workload[]]
}

/** How many messages come in each tick; the fractions that a tick leaves come in a later one. */
export function arrivalsOf({ rate }: Workload, seconds: number): number[] {
  let due = 0
  let sent = 0
  return Array.from({ length: Math.round((seconds * 1_000) / TICK) }, (_, tick) => {
    due += (rate((tick * TICK) / 1_000) * TICK) / 1_000
    const count = Math.floor(due + 1e-9) - sent
    sent += count
    return count
  })
}
