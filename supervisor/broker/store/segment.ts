import { crc32 } from 'node:zlib'
import { decodeText, putText, textLength } from '../../amqp/text.ts'
import type { Message, StoredEntry } from './entry.ts'
import { READY } from './entry.ts'
import type { SegmentId } from './keys.ts'

// A segment is one record with many messages: a put for each would cost ten times as much and a page of its own.
//   magic u32 | crc32 u32 of all behind it | count u32 | records
// record: flags u8 | position - first u32 | expiresAt f64? | exchange, routing key (u8 + bytes each)? | properties, body
// (u32 + bytes each). The exchange and routing key are left out if they are the previous record's.

const MAGIC = 0x31534757 // "WGS1"
const HEADER = 12
const PERSISTENT = 1
const SAME_ADDRESS = 2
const EXPIRES = 4
const DEAD = 8
const ONLY_KEY = 16

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
  /** The record, while no commit has written it. */
  raw: Buffer | null
  /** Belongs to a log that is not durable: of no use after a restart. */
  volatile: boolean
}

/** The record does not hold what was written. */
export class SegmentFormatError extends Error {}

/** Writes entries, in the order of their positions, into as few segments as they need; each entry then knows its own. */
export function writeSegments(
  queueId: number,
  priority: number,
  entries: readonly StoredEntry[],
  durable: boolean,
): Segment[] {
  const segments: Segment[] = []
  let start = 0
  while (start < entries.length) {
    const { end, size } = fit(entries, start)
    segments.push(writeSegment({ queueId, priority, first: 0 }, entries.slice(start, end), size, durable))
    start = end
  }
  return segments
}

/** How many entries from `start` on fit into one segment, and its length. */
function fit(entries: readonly StoredEntry[], start: number): { end: number; size: number } {
  const first = (entries[start] as StoredEntry).position
  let size = HEADER
  let end = start
  let previous: Message | undefined
  for (; end < entries.length && end - start < SEGMENT_MESSAGES; end++) {
    const { message, expiresAt, position } = entries[end] as StoredEntry
    const length = recordSize(message, expiresAt, previous)
    if (end > start && (size + length > SEGMENT_BYTES || position - first > 0xffff_ffff)) break
    size += length
    previous = message
  }
  return { end, size }
}

function writeSegment(id: SegmentId, entries: readonly StoredEntry[], size: number, durable: boolean): Segment {
  const raw = Buffer.allocUnsafeSlow(size)
  const first = (entries[0] as StoredEntry).position
  const last = (entries[entries.length - 1] as StoredEntry).position
  const segment: Segment = {
    queueId: id.queueId,
    priority: id.priority,
    first,
    last,
    count: entries.length,
    size,
    live: entries.length,
    liveBytes: 0,
    removed: new Uint8Array((entries.length + 7) >> 3),
    transient: null,
    durableLive: entries.length,
    durableBytes: 0,
    expiresFrom: 0,
    counts: null,
    raw,
    volatile: !durable,
  }
  let offset = HEADER
  let previous: Message | undefined
  let transientBytes = 0
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as StoredEntry
    offset = writeRecord(raw, offset, entry, entry.position - first, previous)
    previous = entry.message
    segment.liveBytes += entry.message.body.length
    if (entry.expiresAt && !(entry.expiresAt > segment.expiresFrom && segment.expiresFrom)) {
      segment.expiresFrom = entry.expiresAt
    }
    setCounts(segment, index, entry)
    if (durable && !entry.message.persistent) {
      segment.transient ??= new Uint8Array(segment.removed.length)
      segment.transient[index >> 3] = (segment.transient[index >> 3] as number) | (1 << (index & 7))
      segment.durableLive--
      transientBytes += entry.message.body.length
    }
    entry.segment = segment
    entry.index = index
  }
  segment.durableBytes = segment.liveBytes - transientBytes
  raw.writeUInt32LE(MAGIC, 0)
  raw.writeUInt32LE(entries.length, 8)
  raw.writeUInt32LE(crc32(raw.subarray(8)), 4)
  return segment
}

function isSameAddress(message: Message, previous: Message | undefined): boolean {
  return message.exchange === previous?.exchange && message.routingKey === previous.routingKey
}

function recordSize(message: Message, expiresAt: number, previous: Message | undefined): number {
  let size = 13 + (expiresAt ? 8 : 0) + message.properties.length + message.body.length
  if (!isSameAddress(message, previous)) {
    size += 2 + textLength(message.exchange) + textLength(message.routingKey)
  }
  return size
}

function writeRecord(raw: Buffer, start: number, entry: StoredEntry, delta: number, previous?: Message): number {
  const { message, expiresAt } = entry
  const same = isSameAddress(message, previous)
  const flags = (message.persistent ? PERSISTENT : 0) | (same ? SAME_ADDRESS : 0) | (expiresAt ? EXPIRES : 0)
  raw[start] = flags | (message.dead ? DEAD : 0) | (message.onlyKey ? ONLY_KEY : 0)
  let offset = raw.writeUInt32LE(delta, start + 1)
  if (expiresAt) offset = raw.writeDoubleLE(expiresAt, offset)
  if (!same) {
    offset = writeName(raw, message.exchange, offset)
    offset = writeName(raw, message.routingKey, offset)
  }
  offset = raw.writeUInt32LE(message.properties.length, offset)
  raw.set(message.properties, offset)
  offset = raw.writeUInt32LE(message.body.length, offset + message.properties.length)
  raw.set(message.body, offset)
  return offset + message.body.length
}

/** @throws RangeError for one whose length has no room in front of it, so that nothing unreadable is ever written */
function writeName(raw: Buffer, name: string, start: number): number {
  const size = putText(raw, name, start + 1)
  if (size > MAX_NAME) throw new RangeError(`a name in a segment has at most ${MAX_NAME} bytes, not ${size}`)
  raw[start] = size
  return start + 1 + size
}

/**
 * The entries of a segment's record that are not removed; bodies and properties are views of the record.
 * @param handedOut positions below it may have been handed out before a restart
 * @throws {SegmentFormatError} if the record is not what was written
 */
export function readSegment(segment: Segment, raw: Buffer | undefined, handedOut: number): StoredEntry[] {
  if (!raw) throw new SegmentFormatError('the record is missing')
  if (raw.length !== segment.size) throw new SegmentFormatError(`it has ${raw.length} bytes instead of ${segment.size}`)
  if (raw.readUInt32LE(0) !== MAGIC || raw.readUInt32LE(8) !== segment.count) {
    throw new SegmentFormatError('its header is wrong')
  }
  if (raw.readUInt32LE(4) !== crc32(raw.subarray(8))) throw new SegmentFormatError('its checksum is wrong')
  const entries: StoredEntry[] = []
  let offset = HEADER
  let exchange = ''
  let routingKey = ''
  for (let index = 0; index < segment.count; index++) {
    const flags = raw[offset] as number
    const position = segment.first + raw.readUInt32LE(offset + 1)
    offset += 5
    const expiresAt = flags & EXPIRES ? raw.readDoubleLE(offset) : 0
    if (flags & EXPIRES) offset += 8
    if (!(flags & SAME_ADDRESS)) {
      const keyStart = offset + 1 + (raw[offset] as number)
      exchange = decodeText(raw, offset + 1, keyStart)
      offset = keyStart + 1 + (raw[keyStart] as number)
      routingKey = decodeText(raw, keyStart + 1, offset)
    }
    const propertiesEnd = offset + 4 + raw.readUInt32LE(offset)
    const bodyEnd = propertiesEnd + 4 + raw.readUInt32LE(propertiesEnd)
    if (!isRemoved(segment, index)) {
      const deliveryCount = segment.counts?.[2 * index] ?? 0
      const acquiredCount = segment.counts?.[2 * index + 1] ?? 0
      entries.push({
        position,
        message: {
          exchange,
          routingKey,
          properties: raw.subarray(offset + 4, propertiesEnd),
          body: raw.subarray(propertiesEnd + 4, bodyEnd),
          persistent: (flags & PERSISTENT) !== 0,
          dead: (flags & DEAD) !== 0,
          onlyKey: (flags & ONLY_KEY) !== 0,
          priority: segment.priority,
        },
        expiresAt,
        deliveryCount,
        acquiredCount,
        redelivered: position < handedOut || deliveryCount > 0 || acquiredCount > 0,
        state: READY,
        segment,
        index,
        onSafe: null,
        returned: 0,
        inTail: false,
      })
    }
    offset = bodyEnd
  }
  return entries
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
