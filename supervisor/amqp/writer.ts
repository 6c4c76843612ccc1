import { cutToLength, putText, textLength } from './text.ts'

/** Where an encoder writes; grows as needed. The write functions move `at`. */
export interface Writer {
  buffer: Buffer
  at: number
}

const KEPT = 0x20000
const scratch: Writer = { buffer: Buffer.allocUnsafeSlow(KEPT), at: 0 }

/**
 * Calls `write` with a writer and returns a copy of what it wrote. The writer is shared by all encoders, so `write`
 * must be synchronous and must not call `encoded` itself.
 */
export function encoded<T>(write: (writer: Writer, value: T) => void, value: T): Buffer {
  scratch.at = 0
  write(scratch, value)
  const copy = Buffer.allocUnsafe(scratch.at)
  scratch.buffer.copy(copy, 0, 0, scratch.at)
  // One giant table must not hold its memory for ever.
  if (scratch.buffer.length > KEPT * 8) scratch.buffer = Buffer.allocUnsafeSlow(KEPT)
  return copy
}

/** Makes room for `bytes` more and moves past them; returns where they start. */
export function reserve(writer: Writer, bytes: number): number {
  const start = writer.at
  if (start + bytes > writer.buffer.length) {
    const larger = Buffer.allocUnsafeSlow(Math.max(writer.buffer.length * 2, start + bytes))
    writer.buffer.copy(larger, 0, 0, start)
    writer.buffer = larger
  }
  writer.at = start + bytes
  return start
}

/** Writes an unsigned integer of 8 bits; one that does not fit is a RangeError, here and below. */
export function writeOctet(writer: Writer, value: number): void {
  if ((value & 0xff) !== value) throw tooLarge(value, 8)
  const at = reserve(writer, 1)
  writer.buffer[at] = value
}

/** Writes an unsigned integer of 16 bits. */
export function writeShort(writer: Writer, value: number): void {
  if ((value & 0xffff) !== value) throw tooLarge(value, 16)
  const at = reserve(writer, 2)
  writer.buffer[at] = value >>> 8
  writer.buffer[at + 1] = value
}

/** Writes an unsigned integer of 32 bits. */
export function writeLong(writer: Writer, value: number): void {
  if (value >>> 0 !== value) throw tooLarge(value, 32)
  setLong(writer.buffer, reserve(writer, 4), value)
}

/** Sets the 32 bits at `at`, which must lie within the buffer. */
export function setLong(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** Writes an unsigned 64-bit integer. */
export function writeLonglong(writer: Writer, value: number | bigint): void {
  const at = reserve(writer, 8)
  if (typeof value === 'bigint') {
    writer.buffer.writeBigUInt64BE(value, at)
    return
  }
  if (!Number.isSafeInteger(value) || value < 0) throw tooLarge(value, 64)
  setLong(writer.buffer, at, value / 0x100000000)
  setLong(writer.buffer, at + 4, value >>> 0)
}

/** Writes a string of up to 255 bytes. A longer one is a RangeError: the caller's mistake, not a peer's. */
export function writeShortstr(writer: Writer, text: string): void {
  const start = reserve(writer, 1)
  const size = writeText(writer, text)
  if (size > 255) throw new RangeError(`a short string has at most 255 bytes, not ${size}: ${text.slice(0, 60)}…`)
  writer.buffer[start] = size
}

/** Writes a text for people to read as a short string, cut to fit the way RabbitMQ cuts it: 252 bytes and three dots. */
export function writeReplyText(writer: Writer, text: string): void {
  if (text.length <= 85 || textLength(text) <= 255) writeShortstr(writer, text)
  else writeShortstr(writer, `${cutToLength(text, 252)}...`)
}

export function writeLongstr(writer: Writer, value: string | Uint8Array): void {
  const start = reserve(writer, 4)
  const size = typeof value === 'string' ? writeText(writer, value) : writeBytes(writer, value)
  setLong(writer.buffer, start, size)
}

/** Writes bytes as they are and returns how many. */
export function writeBytes(writer: Writer, bytes: Uint8Array): number {
  const start = reserve(writer, bytes.length)
  writer.buffer.set(bytes, start)
  return bytes.length
}

function writeText(writer: Writer, text: string): number {
  const start = reserve(writer, text.length * 3)
  const { buffer } = writer
  let size = 0
  if (text.length < 32) {
    // Short names are nearly always ASCII, and a call out of JavaScript costs more than they do.
    for (; size < text.length; size++) {
      const unit = text.charCodeAt(size)
      if (unit > 0x7f) break
      buffer[start + size] = unit
    }
  }
  if (size < text.length) size = putText(buffer, text, start)
  writer.at = start + size
  return size
}

function tooLarge(value: number, bits: number): RangeError {
  return new RangeError(`${value} is not an unsigned integer of ${bits} bits`)
}
