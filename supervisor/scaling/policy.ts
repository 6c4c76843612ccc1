// How many instances of a worker there should be, and why: pure, so that it can be simulated.
import type { Scale } from '../base/scale.ts'

/** Milliseconds without work after which an instance counts as idle, whatever is left of its cooldown. */
export const IDLE_MS = 5_000

/** The messages that wait for a worker, and those that its instances are handling. */
export interface Load {
  /** Messages that waited at the last look at the queue. */
  readonly ready: number
  /** Messages that are in progress now. */
  readonly inProgress: number
  /**
   * Messages that were known to be in progress when the queue was asked. One that is taken after that is in `ready` and
   * in `inProgress`, and counts once.
   * @default inProgress
   */
  readonly besides?: number
  /** Numbers the looks at the queue; left out: each load comes from a look of its own. */
  readonly look?: number
  /**
   * Instances that what is in progress fills, at the worker's concurrency; left out: not known. With fewer of them some
   * of it would wait.
   */
  readonly filled?: number
  /** Whether there may be more than that: a broker or an instance has not answered. */
  readonly isPartial?: boolean
}

/** Where a number of instances comes from. The numbers in it add up to that number. */
export type Why =
  /** Messages, waiting or in progress, divided by `messagesPerInstance`. */
  | { readonly by: 'messages'; readonly messages: number; readonly per: number }
  /** So many instances are filled by what is in progress. */
  | { readonly by: 'busy'; readonly instances: number }
  /** The load is not known, or more has been seen once and not yet twice: no fewer than before. */
  | { readonly by: 'before'; readonly instances: number }
  /** So many were needed within the last `cooldown`. */
  | { readonly by: 'cooldown'; readonly instances: number; readonly cooldown: number }
  /** The load is worth less. */
  | { readonly by: 'min'; readonly min: number; readonly worth: Worth }
  /** The load is worth more. */
  | { readonly by: 'max'; readonly max: number; readonly worth: Worth }

/** What a load is worth by itself, whatever `min` and `max` say. */
export interface Worth {
  readonly instances: number
  readonly why: Why
}

/** What the policy remembers of a worker between two looks. */
export interface Memory {
  /** What the load was worth since the cooldown's begin: never empty, falling, each newer than the one before. */
  readonly recent: readonly (Worth & { readonly at: number })[]
  /** The latest look, and what its load was worth with all that may be counted twice in it. */
  readonly seen?: { readonly look: number | undefined; readonly worth: Worth }
  /** The same of the look before. */
  readonly seenBefore?: Worth
}

export interface Verdict {
  readonly memory: Memory
  /** Instances that there should be. */
  readonly desired: number
  readonly why: Why
  /** As many of them as had something to do within the last `IDLE_MS`: the others can be spared. */
  readonly needed: number
}

/**
 * What is remembered at first: as many as there are now may have been needed just before.
 * @param at milliseconds, as all times here
 */
export function remember(instances: number, at: number): Memory {
  return { recent: [{ at, instances, why: { by: 'before', instances } }] }
}

/** Messages, waiting or in progress, none of them counted twice. */
export function messagesOf({ ready, inProgress, besides = inProgress }: Load): number {
  return Math.max(ready + besides, inProgress)
}

/** The instances that a load is worth by itself, within `min` and `max`. */
export function instancesFor(load: Load, scale: Scale): number {
  return clamp(worthOf(messagesOf(load), load, scale).instances, scale.min, scale.max)
}

/**
 * The instances that a worker should have: at once as many as its load is worth, and no fewer than it was worth at any
 * time within the last `cooldown`. So a load that comes and goes within that time starts and ends nothing. A load that
 * is not known is never taken for none: it ends nothing, and its time does not count for the cooldown. Nor does the
 * cooldown begin anew with it: an instance that is told to end is unknown for a moment, and the next one would wait for
 * it. The queue and the instances are not read at the same moment, so a message may be in both counts: a rise that only
 * their sum supports counts when two looks in a row show it.
 */
export function follow(memory: Memory, load: Load, scale: Scale, at: number): Verdict {
  const last = memory.recent.at(-1) ?? { at, instances: scale.min, why: { by: 'before', instances: scale.min } as Why }
  const { seen, seenBefore, worth } = believe(memory, last, load, scale)
  const unknown = load.isPartial ? at - last.at : 0
  const latest = { at, ...(load.isPartial ? atLeast(worth, last.instances) : worth) }
  const kept = memory.recent
    .map((one) => ({ ...one, at: one.at + unknown }))
    .filter((one) => one.at > at - scale.cooldown && Math.min(one.instances, scale.max) > latest.instances)
  const recent = [...kept, latest]
  const busy = recent.find((one) => one.at > at - Math.min(IDLE_MS, scale.cooldown)) ?? latest
  const top = recent[0] ?? latest
  return {
    memory: { recent, seen, ...(seenBefore && { seenBefore }) },
    desired: clamp(top.instances, scale.min, scale.max),
    why: explain(top, top === latest, scale),
    needed: Math.min(busy.instances, scale.max),
  }
}

/** What of a load can be believed, after this look and the one before. */
function believe(memory: Memory, last: Worth, load: Load, scale: Scale) {
  const all = worthOf(messagesOf(load), load, scale)
  const isSameLook = load.look !== undefined && load.look === memory.seen?.look
  const seenBefore = isSameLook ? memory.seenBefore : memory.seen?.worth
  // What is not known contradicts nothing.
  const seen = { look: load.look, worth: load.isPartial && memory.seen ? greater(all, memory.seen.worth) : all }
  if (all.instances <= last.instances) return { seen, seenBefore, worth: all }
  const sure = worthOf(Math.max(load.ready, load.inProgress), load, scale)
  if (!seenBefore) return { seen, seenBefore, worth: atLeast(sure, last.instances) }
  const twice = seenBefore.instances < all.instances ? seenBefore : all
  return { seen, seenBefore, worth: atLeast(greater(sure, twice), last.instances) }
}

/**
 * Instances that are busy are worth keeping: while enough of them run, nothing waits, and by what waits alone they would
 * be ended and started again for as long as a steady load lasts.
 */
function worthOf(messages: number, { filled = 0 }: Load, { messagesPerInstance: per }: Scale): Worth {
  const instances = Math.ceil(messages / per)
  return filled > instances
    ? { instances: filled, why: { by: 'busy', instances: filled } }
    : { instances, why: { by: 'messages', messages, per } }
}

function greater(one: Worth, other: Worth): Worth {
  return one.instances >= other.instances ? one : other
}

function atLeast(worth: Worth, instances: number): Worth {
  return worth.instances >= instances ? worth : { instances, why: { by: 'before', instances } }
}

function explain({ instances, why }: Worth, isLatest: boolean, { min, max, cooldown }: Scale): Why {
  const worth: Worth = { instances, why: isLatest ? why : { by: 'cooldown', instances, cooldown } }
  if (instances > max) return { by: 'max', max, worth }
  if (instances < min) return { by: 'min', min, worth }
  return worth.why
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max)
}
