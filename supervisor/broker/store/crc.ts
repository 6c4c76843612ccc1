import { crc32 } from 'node:zlib'

/** From so many bytes on, calling zlib takes less than it saves. */
const LONG = 512

const TABLE = Int32Array.from({ length: 256 }, function entry(_, byte) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/**
 * The checksum of some of a buffer's bytes, as zlib's `crc32` has it, without a view of them: a start looks at tens of
 * thousands of small records.
 * @param before the checksum of what is in front of them
 */
export function crcOf(bytes: Buffer, start: number, end: number, before = 0): number {
  if (end - start >= LONG) return crc32(bytes.subarray(start, end), before)
  let crc = ~before
  for (let at = start; at < end; at++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return ~crc >>> 0
}
