import { crc32 } from 'node:zlib'
import type { SegmentId } from './keys.ts'
import { type Segment, SegmentFormatError } from './segment.ts'

// Beside each segment lies a small index record, so that a start needs no bodies, and an ack rewrites a hundred bytes:
//   crc32 u32 of all behind it | version u8 | flags u8 | count u32 | size u32 | last position - first u32 | live u32 |
//   live bytes f64 | bitmap of removed | delivery counts (number u32, count u32)
// It says what is true after a restart: messages that are not persistent are written as removed.

const VERSION = 1
const VOLATILE = 1
const HEADER = 30

export function encodeIndex(segment: Segment): Buffer {
  const bitmap = segment.removed.length
  const counts = segment.counts?.size ?? 0
  const raw = Buffer.allocUnsafeSlow(HEADER + bitmap + counts * 8)
  raw[4] = VERSION
  raw[5] = segment.volatile ? VOLATILE : 0
  raw.writeUInt32LE(segment.count, 6)
  raw.writeUInt32LE(segment.size, 10)
  raw.writeUInt32LE(segment.last - segment.first, 14)
  raw.writeUInt32LE(segment.durableLive, 18)
  raw.writeDoubleLE(segment.durableBytes, 22)
  raw.set(segment.removed, HEADER)
  if (segment.transient) {
    for (let i = 0; i < bitmap; i++) raw[HEADER + i] = (raw[HEADER + i] as number) | (segment.transient[i] as number)
  }
  let offset = HEADER + bitmap
  for (const [index, count] of segment.counts ?? []) {
    offset = raw.writeUInt32LE(index, offset)
    offset = raw.writeUInt32LE(count, offset)
  }
  raw.writeUInt32LE(crc32(raw.subarray(4)), 0)
  return raw
}

/** @throws {SegmentFormatError} if the record is not what was written */
export function decodeIndex(id: SegmentId, raw: Buffer): Segment {
  if (raw.length < HEADER || raw.readUInt32LE(0) !== crc32(raw.subarray(4))) {
    throw new SegmentFormatError('the checksum of its index record is wrong')
  }
  if (raw[4] !== VERSION) throw new SegmentFormatError(`its index record has version ${raw[4]} instead of ${VERSION}`)
  const count = raw.readUInt32LE(6)
  const live = raw.readUInt32LE(18)
  const liveBytes = raw.readDoubleLE(22)
  const countsAt = HEADER + ((count + 7) >> 3)
  const counts = raw.length > countsAt ? new Map<number, number>() : null
  for (let offset = countsAt; offset < raw.length; offset += 8) {
    counts?.set(raw.readUInt32LE(offset), raw.readUInt32LE(offset + 4))
  }
  return {
    ...id,
    last: id.first + raw.readUInt32LE(14),
    count,
    size: raw.readUInt32LE(10),
    live,
    liveBytes,
    removed: new Uint8Array(raw.subarray(HEADER, countsAt)),
    transient: null,
    durableLive: live,
    durableBytes: liveBytes,
    counts,
    raw: null,
    volatile: ((raw[5] as number) & VOLATILE) !== 0,
  }
}
