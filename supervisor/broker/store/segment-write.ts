import { crc32 } from 'node:zlib'
import { putText, textLength } from '../../amqp/text.ts'
import type { Message, SharedBody, StoredEntry } from './entry.ts'
import type { SegmentId } from './keys.ts'
import { MAX_NAME, SEGMENT_BYTES, SEGMENT_MESSAGES, type Segment, setCounts } from './segment.ts'
import { DEAD, EXPIRES, HEADER, MAGIC, ONLY_KEY, PERSISTENT, PLACE, SAME_ADDRESS, SHARED } from './segment-format.ts'

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
    const entry = entries[end] as StoredEntry
    const { message } = entry
    const length = recordSize(entry, message, previous)
    if (end > start && (size + length > SEGMENT_BYTES || entry.position - first > 0xffff_ffff)) break
    size += length
    previous = message
  }
  return { end, size }
}

function writeSegment(id: SegmentId, entries: readonly StoredEntry[], size: number, durable: boolean): Segment {
  const raw = Buffer.allocUnsafe(size)
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
    shared: null,
    waiting: null,
    raw,
    isOnDisk: false,
    volatile: !durable,
    moved: null,
    previous: null,
    next: null,
  }
  let offset = HEADER
  let previous: Message | undefined
  let transientBytes = 0
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as StoredEntry
    offset = writeRecord(raw, offset, entry, entry.position - first, previous)
    previous = entry.message
    segment.liveBytes += entry.bodyBytes
    if (entry.expiresAt && !(entry.expiresAt > segment.expiresFrom && segment.expiresFrom)) {
      segment.expiresFrom = entry.expiresAt
    }
    setCounts(segment, index, entry)
    if (entry.shared) {
      segment.shared ??= new Array(entries.length)
      segment.shared[index] = entry.shared
    }
    if (durable && !entry.persistent) {
      segment.transient ??= new Uint8Array(segment.removed.length)
      segment.transient[index >> 3] = (segment.transient[index >> 3] as number) | (1 << (index & 7))
      segment.durableLive--
      transientBytes += entry.bodyBytes
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

function recordSize(entry: StoredEntry, message: Message, previous: Message | undefined): number {
  let size = 9 + (entry.expiresAt ? 8 : 0) + message.properties.length
  size += entry.shared ? PLACE : 4 + entry.bodyBytes
  if (!isSameAddress(message, previous)) {
    size += 2 + textLength(message.exchange) + textLength(message.routingKey)
  }
  return size
}

function writeRecord(raw: Buffer, start: number, entry: StoredEntry, delta: number, previous?: Message): number {
  const { message, expiresAt, shared } = entry
  const same = isSameAddress(message, previous)
  const flags = (message.persistent ? PERSISTENT : 0) | (same ? SAME_ADDRESS : 0) | (expiresAt ? EXPIRES : 0)
  raw[start] = flags | (message.dead ? DEAD : 0) | (message.onlyKey ? ONLY_KEY : 0) | (shared ? SHARED : 0)
  let offset = raw.writeUInt32LE(delta, start + 1)
  if (expiresAt) offset = raw.writeDoubleLE(expiresAt, offset)
  if (!same) {
    offset = writeName(raw, message.exchange, offset)
    offset = writeName(raw, message.routingKey, offset)
  }
  offset = raw.writeUInt32LE(message.properties.length, offset)
  raw.set(message.properties, offset)
  offset += message.properties.length
  if (shared) return writePlace(raw, shared, offset)
  offset = raw.writeUInt32LE(message.body.length, offset)
  raw.set(message.body, offset)
  return offset + message.body.length
}

function writePlace(raw: Buffer, { id, length, crc }: SharedBody, start: number): number {
  const lengthAt = raw.writeUIntLE(id, start, 6)
  return raw.writeUInt32LE(crc, raw.writeUInt32LE(length, lengthAt))
}

/** @throws RangeError for one whose length has no room in front of it, so that nothing unreadable is ever written */
function writeName(raw: Buffer, name: string, start: number): number {
  const size = putText(raw, name, start + 1)
  if (size > MAX_NAME) throw new RangeError(`a name in a segment has at most ${MAX_NAME} bytes, not ${size}`)
  raw[start] = size
  return start + 1 + size
}
