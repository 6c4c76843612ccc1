import { CodecError, SYNTAX_ERROR } from './errors.ts'
import { decodeText } from './text.ts'

/** A place in a buffer; nothing is read at or after `end`. The read functions move `at`. */
export interface Reader {
  readonly buffer: Buffer
  at: number
  end: number
  /** The reply code of what goes wrong. */
  code: number
}

/** Starts reading `buffer` at `at`; what goes wrong is a CodecError of `code`. */
export function readerOf(buffer: Buffer, at = 0, code = SYNTAX_ERROR): Reader {
  return { buffer, at, end: buffer.length, code }
}

/** The bytes ended, or a length points beyond them. */
export function truncated(reader: Reader, what: string): CodecError {
  return new CodecError(reader.code, `${what} runs past the end`)
}

/** Moves past the next `bytes` and returns where they start. Throws CodecError when there are fewer. */
export function skip(reader: Reader, bytes: number, what: string): number {
  const start = reader.at
  if (bytes > reader.end - start) throw truncated(reader, what)
  reader.at = start + bytes
  return start
}

export function readOctet(reader: Reader): number {
  return reader.buffer[skip(reader, 1, 'an octet')] as number
}

export function readShort(reader: Reader): number {
  const at = skip(reader, 2, 'a short integer')
  return ((reader.buffer[at] as number) << 8) | (reader.buffer[at + 1] as number)
}

export function readLong(reader: Reader): number {
  return longAt(reader.buffer, skip(reader, 4, 'a long integer'))
}

/** The unsigned 32-bit integer at `at`, which must lie within the buffer. */
export function longAt(buffer: Buffer, at: number): number {
  const low = ((buffer[at + 1] as number) << 16) | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number)
  return (buffer[at] as number) * 0x1000000 + low
}

/** An unsigned 64-bit integer; above 2^53 a bigint. */
export function readLonglong(reader: Reader): number | bigint {
  const at = skip(reader, 8, 'a long long integer')
  const value = longAt(reader.buffer, at) * 0x100000000 + longAt(reader.buffer, at + 4)
  return Number.isSafeInteger(value) ? value : reader.buffer.readBigUInt64BE(at)
}

/** An unsigned 64-bit integer that has to be a safe JavaScript number: delivery tags, body sizes. */
export function readCount(reader: Reader): number {
  const value = readLonglong(reader)
  if (typeof value === 'bigint') throw new CodecError(reader.code, `${value} is larger than any count can be`)
  return value
}

/** A string of up to 255 bytes, whatever they are. */
export function readShortstr(reader: Reader): string {
  const size = readOctet(reader)
  const start = skip(reader, size, 'a short string')
  return textAt(reader, start, start + size)
}

/** A string of up to 255 bytes, which must be UTF-8. */
export function readUtf8(reader: Reader): string {
  const text = readShortstr(reader)
  if (!text.isWellFormed()) throw new CodecError(reader.code, 'malformed UTF-8 in a short string')
  return text
}

/** A view of the bytes of a long string, not a copy. */
export function readLongstr(reader: Reader): Buffer {
  const size = readLong(reader)
  const start = skip(reader, size, 'a long string')
  return reader.buffer.subarray(start, start + size)
}

function textAt({ buffer }: Reader, start: number, end: number): string {
  let text = ''
  if (end - start < 32) {
    // Short names are nearly always ASCII, and a call out of JavaScript costs more than they do.
    let at = start
    for (; at < end; at++) {
      const byte = buffer[at] as number
      if (byte > 0x7f) break
      text += String.fromCharCode(byte)
    }
    if (at === end) return text
  }
  return decodeText(buffer, start, end)
}
