import type { SharedBody } from './entry.ts'
import type { SegmentId } from './keys.ts'

/** Bytes of an exchange's name and of a routing key. */
export const MAX_NAME = 255
/** A segment has at most this many bytes, unless it is a single larger message. */
export const SEGMENT_BYTES = 65_536
/** A segment has at most this many messages, which bounds the bitmap that an ack rewrites. */
export const SEGMENT_MESSAGES = 2_048

/** What memory holds of a segment; the messages themselves may be on disk alone. */
export interface Segment extends SegmentId {
  /** The position of its last message. */
  last: number
  count: number
  /** The record's length. */
  size: number
  /** How many of its messages are not removed, and the bytes of their bodies. */
  live: number
  liveBytes: number
  /** One bit a message: it is gone. */
  removed: Uint8Array
  /** One bit a message: it is gone after a restart. Null if there is none such. */
  transient: Uint8Array | null
  /** As `live` and `liveBytes`, of those that outlive a restart. */
  durableLive: number
  durableBytes: number
  /** No message expires before; 0 if none ever does. Not known of old records: 1. */
  expiresFrom: number
  /** Two a message, its delivery count and its acquired count; null while all are 0. */
  counts: Uint32Array | null
  /** By number, the shared bodies of its messages that are not removed; null if there is none. */
  shared: (SharedBody | undefined)[] | null
  /** One bit a message: it waits on disk alone, and the others are handed out. Null: all that are not removed wait. */
  waiting: Uint8Array | null
  /** The record, while no commit has written it. */
  raw: Buffer | null
  /** A commit has written it. */
  isOnDisk: boolean
  /** Belongs to a log that is not durable: of no use after a restart. */
  volatile: boolean
  /** Where its messages are now, by their numbers here; null unless they were moved to another segment. */
  moved: Map<number, MessagePlace> | null
  /** Its neighbours among the segments of its lane, in the order of positions. */
  previous: Segment | null
  next: Segment | null
}

/** Where a message is: the segment, and its number in it. */
export interface MessagePlace {
  segment: Segment
  index: number
}

/** The record does not hold what was written. */
export class SegmentFormatError extends Error {}

/** Notes that a message of the segment waits on disk alone. */
export function markWaiting(segment: Segment, index: number): void {
  segment.waiting ??= new Uint8Array(segment.removed.length)
  segment.waiting[index >> 3] = (segment.waiting[index >> 3] as number) | (1 << (index & 7))
}

/** Whether a message of the segment is on disk alone. */
export function isWaiting({ removed, waiting }: Segment, index: number): boolean {
  const bit = 1 << (index & 7)
  if ((removed[index >> 3] as number) & bit) return false
  return waiting === null || ((waiting[index >> 3] as number) & bit) !== 0
}

/** Where a message is that was in a segment with that number, through all its moves. */
export function placeNow(segment: Segment, index: number): MessagePlace {
  let place = { segment, index }
  for (let next = segment.moved?.get(index); next; next = next.segment.moved?.get(next.index)) place = next
  return place
}

export function isRemoved(segment: Segment, index: number): boolean {
  return ((segment.removed[index >> 3] as number) & (1 << (index & 7))) !== 0
}

/** Notes that a message of the segment is gone. */
export function markRemoved(segment: Segment, index: number, bodyBytes: number): void {
  const bit = 1 << (index & 7)
  segment.removed[index >> 3] = (segment.removed[index >> 3] as number) | bit
  segment.live--
  segment.liveBytes -= bodyBytes
  if (segment.transient && (segment.transient[index >> 3] as number) & bit) return
  segment.durableLive--
  segment.durableBytes -= bodyBytes
}

/** Notes how often a message was handed out and came back; false if that was on record before. */
export function setCounts(
  segment: Segment,
  index: number,
  { deliveryCount, acquiredCount }: { deliveryCount: number; acquiredCount: number },
): boolean {
  const { counts } = segment
  if ((counts?.[2 * index] ?? 0) === deliveryCount && (counts?.[2 * index + 1] ?? 0) === acquiredCount) return false
  segment.counts ??= new Uint32Array(2 * segment.count)
  segment.counts[2 * index] = deliveryCount
  segment.counts[2 * index + 1] = acquiredCount
  return true
}
