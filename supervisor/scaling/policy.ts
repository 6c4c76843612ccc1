// How many instances of a worker there should be: pure, so that it can be simulated.
import type { Scale } from '../base/scale.ts'

/** What a worker's queue holds, and what its instances are at. */
export interface Load {
  readonly ready: number
  readonly inProgress: number
  /**
   * Instances that what is in progress fills, at the worker's concurrency; left out: not known. With fewer of them some
   * of it would wait.
   */
  readonly filled?: number
  /** Whether there may be more than that: a broker or an instance has not answered. */
  readonly isPartial?: boolean
}

/** What the policy remembers of a worker between two looks. */
export interface Memory {
  /** What the load was worth since the cooldown's begin: never empty, falling, each newer than the one before. */
  readonly recent: readonly { readonly at: number; readonly instances: number }[]
}

/**
 * What is remembered at first: as many as there are now may have been needed just before.
 * @param at milliseconds, as all times here
 */
export function remember(instances: number, at: number): Memory {
  return { recent: [{ at, instances }] }
}

/**
 * The instances that a load is worth by itself. Those that are busy are: while enough of them run, nothing waits, and by
 * what waits alone they would be ended and started again for as long as a steady load lasts.
 */
export function instancesFor({ ready, inProgress, filled = 0 }: Load, scale: Scale): number {
  return clamp(Math.max(Math.ceil((ready + inProgress) / scale.messagesPerInstance), filled), scale.min, scale.max)
}

/**
 * The instances that a worker should have: at once as many as its load is worth, and no fewer than it was worth at any
 * time within the last `cooldown`. So a load that comes and goes within that time starts and ends nothing. A load that
 * is not known is never taken for none: it ends nothing, and its time does not count for the cooldown. Nor does the
 * cooldown begin anew with it: an instance that is told to end is unknown for a moment, and the next one would wait for
 * it.
 */
export function follow(memory: Memory, load: Load, scale: Scale, at: number): { memory: Memory; desired: number } {
  const last = memory.recent.at(-1) ?? { at, instances: scale.min }
  const unknown = load.isPartial ? at - last.at : 0
  const worth = instancesFor(load, scale)
  const latest = { at, instances: load.isPartial ? Math.max(worth, last.instances) : worth }
  const kept = memory.recent
    .map((one) => ({ ...one, at: one.at + unknown }))
    .filter((one) => one.at > at - scale.cooldown && one.instances > latest.instances)
  const recent = [...kept, latest]
  return { memory: { recent }, desired: clamp(recent[0]?.instances ?? 0, scale.min, scale.max) }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max)
}
