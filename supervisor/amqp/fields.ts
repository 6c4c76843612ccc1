import { isUtf8 } from 'node:buffer'
import { CodecError, SYNTAX_ERROR } from './errors.ts'
import { type FieldValue, type Table, TypedValue } from './field-values.ts'
import {
  type Reader,
  readerOf,
  readLong,
  readLongstr,
  readOctet,
  readShort,
  readShortstr,
  skip,
  truncated,
} from './reader.ts'

export { type FieldValue, isTable, isTyped, type Table, type Typed, textOf, timestamp } from './field-values.ts'
export { encodeTable } from './write-fields.ts'

/** How deep tables and arrays nest at most. RabbitMQ takes 200 levels too; nothing real comes near this. */
export const MAX_DEPTH = 64

// Field types as RabbitMQ means them, https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3: 's' is a short integer
// and not a short string, 'l' and 'L' are both signed, 'x' is a byte array, 'u' and 'i' are unsigned.
const TAG = {
  array: 0x41,
  unsignedByte: 0x42,
  decimal: 0x44,
  table: 0x46,
  int: 0x49,
  longUpper: 0x4c,
  longstr: 0x53,
  timestamp: 0x54,
  void: 0x56,
  byte: 0x62,
  double: 0x64,
  float: 0x66,
  unsignedInt: 0x69,
  long: 0x6c,
  short: 0x73,
  boolean: 0x74,
  unsignedShort: 0x75,
  bytes: 0x78,
} as const

/**
 * Reads a field table whose length is at `offset`; `end` is where it ends. Of fields with the same name the first counts,
 * as in RabbitMQ. Throws CodecError 502 on anything broken, and also on what RabbitMQ lets pass: tables nested deeper than
 * MAX_DEPTH.
 */
export function decodeTable(buffer: Buffer, offset: number): { table: Table; end: number } {
  const reader = readerOf(buffer, offset)
  const table = readTable(reader, 0)
  return { table, end: reader.at }
}

/** Reads the fields of a table that has no length in front: what AMQPLAIN sends. Throws CodecError 502. */
export function decodeFields(buffer: Buffer): Table {
  return readFields(readerOf(buffer), buffer.length, 0)
}

/** Reads a table, length first, and moves past it. */
export function readTable(reader: Reader, depth: number): Table {
  const size = readLong(reader)
  return readFields(reader, within(reader, size), depth)
}

/**
 * Moves past a table, checking all that `readTable` checks, without making anything; a type letter `L` becomes `l` in place.
 * Returns how many bytes it had.
 */
export function skipTable(reader: Reader, depth: number): number {
  const size = readLong(reader)
  const outer = reader.end
  reader.end = within(reader, size)
  while (reader.at < reader.end) {
    skip(reader, readOctet(reader), 'a field name')
    skipValue(reader, depth)
  }
  reader.end = outer
  return size
}

/** Reads the fields with one of the names, the first of each, and moves past the others. */
export function readSome(reader: Reader, end: number, names: ReadonlySet<string>): Table {
  const table: Table = Object.create(null)
  while (reader.at < end) {
    const name = readShortstr(reader)
    if (names.has(name) && table[name] === undefined) table[name] = readValue(reader, 0)
    else skipValue(reader, 0)
  }
  return table
}

/** Moves past one field of a table and returns its name. */
export function nextField(reader: Reader): string {
  const name = readShortstr(reader)
  skipValue(reader, 0)
  return name
}

function readFields(reader: Reader, end: number, depth: number): Table {
  const outer = reader.end
  const table: Table = Object.create(null)
  reader.end = end
  while (reader.at < end) {
    const name = readShortstr(reader)
    const value = readValue(reader, depth)
    if (table[name] === undefined) table[name] = value
  }
  reader.end = outer
  return table
}

function readValue(reader: Reader, depth: number): FieldValue {
  const tag = readOctet(reader)
  switch (tag) {
    case TAG.longstr:
      return textOrBytes(readLongstr(reader))
    case TAG.boolean:
      return readOctet(reader) !== 0
    case TAG.byte:
      return (readOctet(reader) << 24) >> 24
    case TAG.unsignedByte:
      return readOctet(reader)
    case TAG.short:
      return (readShort(reader) << 16) >> 16
    case TAG.unsignedShort:
      return readShort(reader)
    case TAG.int:
      return readLong(reader) | 0
    case TAG.unsignedInt:
      return readLong(reader)
    case TAG.long:
    case TAG.longUpper:
      return narrowest(reader.buffer.readBigInt64BE(skip(reader, 8, 'a 64-bit integer')))
    case TAG.timestamp:
      return new TypedValue('timestamp', narrowest(reader.buffer.readBigUInt64BE(skip(reader, 8, 'a timestamp'))))
    case TAG.double:
      return plainOrDouble(reader.buffer.readDoubleBE(skipDouble(reader)))
    case TAG.float:
      return new TypedValue('float', reader.buffer.readFloatBE(skipFloat(reader)))
    case TAG.decimal:
      return new TypedValue('decimal', { places: readOctet(reader), digits: readLong(reader) })
    case TAG.void:
      return null
    case TAG.bytes:
      // A copy: a view would keep the whole chunk from the socket for as long as the table lives.
      return Buffer.from(readLongstr(reader))
    case TAG.table:
      return readTable(reader, deeper(depth))
    case TAG.array:
      return readArray(reader, deeper(depth))
    default:
      throw unknownTag(tag)
  }
}

function readArray(reader: Reader, depth: number): FieldValue[] {
  const size = readLong(reader)
  const outer = reader.end
  const values: FieldValue[] = []
  reader.end = within(reader, size)
  while (reader.at < reader.end) values.push(readValue(reader, depth))
  reader.end = outer
  return values
}

function skipValue(reader: Reader, depth: number): void {
  const tag = readOctet(reader)
  switch (tag) {
    case TAG.longstr:
    case TAG.bytes:
      skip(reader, readLong(reader), 'a long string')
      return
    case TAG.boolean:
    case TAG.byte:
    case TAG.unsignedByte:
      skip(reader, 1, 'an octet')
      return
    case TAG.short:
    case TAG.unsignedShort:
      skip(reader, 2, 'a short integer')
      return
    case TAG.int:
    case TAG.unsignedInt:
      skip(reader, 4, 'a 32-bit value')
      return
    case TAG.decimal:
      skip(reader, 5, 'a decimal')
      return
    case TAG.longUpper:
      // The same type by another client's letter; most clients know the first one only, so it goes on as that, as from RabbitMQ.
      reader.buffer[reader.at - 1] = TAG.long
      skip(reader, 8, 'a 64-bit value')
      return
    case TAG.long:
    case TAG.timestamp:
      skip(reader, 8, 'a 64-bit value')
      return
    case TAG.double:
      skipDouble(reader)
      return
    case TAG.float:
      skipFloat(reader)
      return
    case TAG.void:
      return
    case TAG.table:
      skipTable(reader, deeper(depth))
      return
    case TAG.array:
      skipArray(reader, deeper(depth))
      return
    default:
      throw unknownTag(tag)
  }
}

function skipArray(reader: Reader, depth: number): void {
  const size = readLong(reader)
  const outer = reader.end
  reader.end = within(reader, size)
  while (reader.at < reader.end) skipValue(reader, depth)
  reader.end = outer
}

// NaN and the infinities, which have all exponent bits set, crash RabbitMQ's reader: Erlang has no such numbers.
function skipDouble(reader: Reader): number {
  const at = skip(reader, 8, 'a double')
  if ((reader.buffer.readUInt16BE(at) & 0x7ff0) === 0x7ff0) throw new CodecError(SYNTAX_ERROR, 'not a finite double')
  return at
}

function skipFloat(reader: Reader): number {
  const at = skip(reader, 4, 'a float')
  if ((reader.buffer.readUInt16BE(at) & 0x7f80) === 0x7f80) throw new CodecError(SYNTAX_ERROR, 'not a finite float')
  return at
}

function within(reader: Reader, size: number): number {
  if (size > reader.end - reader.at) throw truncated(reader, 'a table or an array')
  return reader.at + size
}

function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw new CodecError(SYNTAX_ERROR, `tables nest deeper than ${MAX_DEPTH}`)
  return depth + 1
}

function textOrBytes(bytes: Buffer): string | TypedValue<'longstr'> {
  return isUtf8(bytes) ? bytes.toString('utf8') : new TypedValue('longstr', Buffer.from(bytes))
}

function narrowest(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function plainOrDouble(value: number): number | TypedValue<'double'> {
  return Number.isSafeInteger(value) ? new TypedValue('double', value) : value
}

function unknownTag(tag: number): CodecError {
  return new CodecError(SYNTAX_ERROR, `unknown field type ${JSON.stringify(String.fromCharCode(tag))}`)
}
