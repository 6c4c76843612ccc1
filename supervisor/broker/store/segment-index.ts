import { crc32 } from 'node:zlib'
import { crcOf } from './crc.ts'
import type { SharedBody } from './entry.ts'
import { indexKey, type SegmentId } from './keys.ts'
import { isRemoved, type Segment, SegmentFormatError } from './segment.ts'
import { VARINT_BYTES, type VarintReader, varintReader, writeVarint } from './varint.ts'

// Beside each segment lies a small index record, so that a start needs no bodies, and an ack rewrites a hundred bytes:
//   crc32 u32 of its key and all behind it | version u8 | flags u8 | count u32 | size u32 | last position - first u32 |
//   live u32 | live bytes f64 | bitmap of removed | the earliest expiry f64? | counts | shared bodies
// counts: how many messages have any varint, for each of them
//   its number - the number behind the one before varint | delivery count varint | acquired count varint
// shared bodies: how many messages have one varint, for each of them
//   its number - the number behind the one before varint | the body's id varint
// It says what is true after a restart: messages that are not persistent are written as removed.
// Version 1 ended in delivery counts (number u32, count u32) alone, and its checksum was not of the key.

const VERSION = 2
const VOLATILE = 1
const EXPIRES = 2
const HEADER = 30
/** Of version 1, when something expires: what is not known is looked at soon. */
const UNKNOWN = 1

export function encodeIndex(segment: Segment): Buffer {
  const bitmap = removedLater(segment)
  const counted = countedOf(segment)
  const sharing = sharingOf(segment, bitmap)
  const numbers = 2 + counted.length * 3 + sharing.length * 2
  const raw = Buffer.allocUnsafe(HEADER + bitmap.length + 8 + numbers * VARINT_BYTES)
  raw[4] = VERSION
  raw[5] = (segment.volatile ? VOLATILE : 0) | (segment.expiresFrom ? EXPIRES : 0)
  raw.writeUInt32LE(segment.count, 6)
  raw.writeUInt32LE(segment.size, 10)
  raw.writeUInt32LE(segment.last - segment.first, 14)
  raw.writeUInt32LE(segment.durableLive, 18)
  raw.writeDoubleLE(segment.durableBytes, 22)
  raw.set(bitmap, HEADER)
  let at = HEADER + bitmap.length
  if (segment.expiresFrom) at = raw.writeDoubleLE(segment.expiresFrom, at)
  const { counts, shared } = segment
  at = writeNumbered(raw, at, counted, (place, index) =>
    writeVarint(raw, counts?.[2 * index + 1] ?? 0, writeVarint(raw, counts?.[2 * index] ?? 0, place)),
  )
  const end = writeNumbered(raw, at, sharing, (place, index) => writeVarint(raw, shared?.[index]?.id ?? 0, place))
  raw.writeUInt32LE(crc32(raw.subarray(4, end), crc32(indexKey(segment))), 0)
  return Buffer.from(raw.subarray(0, end))
}

/** The messages that will be gone after a restart, one bit each. */
function removedLater({ removed, transient }: Segment): Uint8Array {
  return transient ? removed.map((bits, i) => bits | (transient[i] as number)) : removed
}

/** The numbers of the messages with counts. */
function countedOf(segment: Segment): number[] {
  const counted: number[] = []
  const { counts, count } = segment
  if (!counts) return counted
  for (let index = 0; index < count; index++) {
    if ((counts[2 * index] || counts[2 * index + 1]) && !isRemoved(segment, index)) counted.push(index)
  }
  return counted
}

/** How many there are, then each one's distance to the one before it and what `write` puts behind that. */
function writeNumbered(
  raw: Buffer,
  start: number,
  numbers: readonly number[],
  write: (at: number, index: number) => number,
): number {
  let at = writeVarint(raw, numbers.length, start)
  let next = 0
  for (const index of numbers) {
    at = write(writeVarint(raw, index - next, at), index)
    next = index + 1
  }
  return at
}

/** The numbers of the messages with shared bodies. */
function sharingOf({ shared, count }: Segment, removed: Uint8Array): number[] {
  const sharing: number[] = []
  if (!shared) return sharing
  for (let index = 0; index < count; index++) {
    if (shared[index] && !((removed[index >> 3] as number) & (1 << (index & 7)))) sharing.push(index)
  }
  return sharing
}

/** @param keySum the checksum of the record's key */
function checkIndex(bytes: Buffer, at: number, end: number, keySum: number): void {
  const version = bytes[at + 4]
  if (end - at < HEADER || bytes.readUInt32LE(at) !== crcOf(bytes, at + 4, end, version === 1 ? 0 : keySum)) {
    throw new SegmentFormatError('the checksum of its index record is wrong')
  }
  if (version !== 1 && version !== VERSION) {
    throw new SegmentFormatError(`its index record has version ${version} instead of ${VERSION}`)
  }
}

/** What a start has to know of a segment that nobody asks for. */
export interface IndexGlance {
  /** Nothing of it outlives a restart. */
  readonly isOver: boolean
  /** As Segment's. */
  readonly expiresFrom: number
  /** Some of its messages have shared bodies. */
  readonly isSharing: boolean
}

/**
 * @param start where the record's key begins, right behind which its value is
 * @throws {SegmentFormatError} if the record is not what was written
 */
export function glanceAtIndex(bytes: Buffer, start: number, at: number, end: number): IndexGlance {
  checkIndex(bytes, at, end, crcOf(bytes, start, at))
  const isOld = bytes[at + 4] === 1
  const flags = bytes[at + 5] as number
  const countsAt = at + HEADER + ((bytes.readUInt32LE(at + 6) + 7) >> 3)
  const expires = flags & EXPIRES ? bytes.readDoubleLE(countsAt) : 0
  return {
    isOver: (flags & VOLATILE) !== 0 || bytes.readUInt32LE(at + 18) === 0,
    expiresFrom: isOld ? UNKNOWN : expires,
    isSharing: !isOld && hasShared(bytes, countsAt + (flags & EXPIRES ? 8 : 0)),
  }
}

/** Whether the numbers behind the counts begin with another one than 0. */
function hasShared(bytes: Buffer, countsAt: number): boolean {
  // Most have no counts.
  if (bytes[countsAt] === 0) return bytes[countsAt + 1] !== 0
  const numbers = varintReader(bytes, countsAt)
  for (let left = numbers.next() * 3; left > 0; left--) numbers.next()
  return numbers.next() > 0
}

/**
 * @param bodyOf the body with an id
 * @throws {SegmentFormatError} if the record is not what was written
 */
export function decodeIndex(id: SegmentId, raw: Buffer, bodyOf: (id: number) => SharedBody): Segment {
  const key = indexKey(id)
  checkIndex(raw, 0, raw.length, crcOf(key, 0, key.length))
  const version = raw[4]
  const count = raw.readUInt32LE(6)
  const live = raw.readUInt32LE(18)
  const liveBytes = raw.readDoubleLE(22)
  const bitmapEnd = HEADER + ((count + 7) >> 3)
  const flags = raw[5] as number
  const countsAt = bitmapEnd + (flags & EXPIRES ? 8 : 0)
  const numbers = version === 1 ? undefined : varintReader(raw, countsAt)
  // Field by field: spread into so many, an object would take 900 bytes and 50 us.
  return {
    queueId: id.queueId,
    priority: id.priority,
    first: id.first,
    last: id.first + raw.readUInt32LE(14),
    count,
    size: raw.readUInt32LE(10),
    live,
    liveBytes,
    removed: new Uint8Array(raw.subarray(HEADER, bitmapEnd)),
    transient: null,
    durableLive: live,
    durableBytes: liveBytes,
    expiresFrom: version === 1 ? UNKNOWN : flags & EXPIRES ? raw.readDoubleLE(bitmapEnd) : 0,
    counts: numbers ? readCounts(numbers, count) : readOldCounts(raw, countsAt, count),
    shared: numbers ? readShared(numbers, count, bodyOf) : null,
    waiting: null,
    raw: null,
    isOnDisk: true,
    volatile: (flags & VOLATILE) !== 0,
    moved: null,
    previous: null,
    next: null,
  }
}

function readCounts(numbers: VarintReader, count: number): Uint32Array | null {
  // Most segments have none, and a start reads them all.
  let counts: Uint32Array | null = null
  readNumbered(numbers, (index) => {
    counts ??= new Uint32Array(2 * count)
    counts[2 * index] = numbers.next()
    counts[2 * index + 1] = numbers.next()
  })
  return counts
}

function readShared(numbers: VarintReader, count: number, bodyOf: (id: number) => SharedBody): Segment['shared'] {
  let shared: SharedBody[] | null = null
  readNumbered(numbers, (index) => {
    shared ??= new Array<SharedBody>(count)
    shared[index] = bodyOf(numbers.next())
  })
  return shared
}

/** Reads what `writeNumbered` has written. */
function readNumbered(numbers: VarintReader, read: (index: number) => void): void {
  const length = numbers.next()
  let next = 0
  for (let i = 0; i < length; i++) {
    const index = next + numbers.next()
    read(index)
    next = index + 1
  }
}

function readOldCounts(raw: Buffer, start: number, count: number): Uint32Array | null {
  if (raw.length === start) return null
  const counts = new Uint32Array(2 * count)
  for (let at = start; at < raw.length; at += 8) counts[2 * raw.readUInt32LE(at)] = raw.readUInt32LE(at + 4)
  return counts
}
