import { CodecError, FRAME_ERROR } from './errors.ts'
import { readerOf, readLonglong, readShort } from './reader.ts'

export const FRAME_METHOD = 1
export const FRAME_HEADER = 2
export const FRAME_BODY = 3
export const FRAME_HEARTBEAT = 8
export const FRAME_END = 0xce
/** What a frame has around its payload: 7 bytes in front and the end octet. */
export const FRAME_OVERHEAD = 8

/** A whole heartbeat frame. */
export const HEARTBEAT: Buffer = Buffer.from([FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END])

const BASIC = 60
const HEADER_FIXED = 12

/** Writes a whole content header frame of class basic around properties that are encoded already. */
export function encodeHeader(channel: number, bodySize: number, rawProperties: Buffer): Buffer {
  const size = HEADER_FIXED + rawProperties.length
  const frame = Buffer.allocUnsafe(size + FRAME_OVERHEAD)
  frame[0] = FRAME_HEADER
  frame.writeUInt16BE(channel, 1)
  frame.writeUInt32BE(size, 3)
  frame.writeUInt32BE(BASIC << 16, 7)
  frame.writeUInt32BE(Math.floor(bodySize / 0x100000000), 11)
  frame.writeUInt32BE(bodySize % 0x100000000, 15)
  rawProperties.copy(frame, 19)
  frame[size + 7] = FRAME_END
  return frame
}

/**
 * Reads the payload of a content header frame. `properties` is a view of it, unchecked; `bodySize` is exact up to 2^53,
 * and good enough beyond to say that it is too much. Throws CodecError 501 on a payload that is too short.
 */
export function decodeHeader(payload: Buffer): {
  classId: number
  weight: number
  bodySize: number
  properties: Buffer
} {
  if (payload.length < HEADER_FIXED + 2) throw new CodecError(FRAME_ERROR, 'a content header that is too short')
  const reader = readerOf(payload)
  const classId = readShort(reader)
  const weight = readShort(reader)
  return { classId, weight, bodySize: Number(readLonglong(reader)), properties: payload.subarray(HEADER_FIXED) }
}

/** Writes the 7 bytes in front of a body frame's payload; the payload and FRAME_END follow. */
export function encodeBodyStart(channel: number, size: number): Buffer {
  const start = Buffer.allocUnsafe(7)
  start[0] = FRAME_BODY
  start.writeUInt16BE(channel, 1)
  start.writeUInt32BE(size, 3)
  return start
}

export { type FrameReader, readFrames } from './read-frames.ts'
