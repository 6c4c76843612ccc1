import { type FieldValue, type Table, type Typed, TypedValue } from './field-values.ts'
import {
  encoded,
  reserve,
  setLong,
  type Writer,
  writeBytes,
  writeLong,
  writeLonglong,
  writeLongstr,
  writeOctet,
  writeShortstr,
} from './writer.ts'

/**
 * Writes a field table, length first. Integers are written as RabbitMQ writes its own: 32 bits signed, or 64 when that
 * is too small; other numbers are doubles. Throws TypeError or RangeError on what has no wire form.
 */
export function encodeTable(table: Table): Buffer {
  return encoded(writeTable, table)
}

/** Writes a field table, length first, to `writer`. */
export function writeTable(writer: Writer, table: Table): void {
  const start = reserve(writer, 4)
  for (const name of Object.keys(table)) {
    const value = table[name]
    if (value !== undefined) writeField(writer, name, value)
  }
  setLong(writer.buffer, start, writer.at - start - 4)
}

/** Writes one field, name first. */
export function writeField(writer: Writer, name: string, value: FieldValue): void {
  writeShortstr(writer, name)
  writeValue(writer, value)
}

function writeValue(writer: Writer, value: FieldValue): void {
  if (typeof value === 'string') {
    writeTag(writer, 'S')
    writeLongstr(writer, value)
  } else if (typeof value === 'number') {
    writeNumber(writer, value)
  } else if (typeof value === 'boolean') {
    writeTag(writer, 't')
    writeOctet(writer, value ? 1 : 0)
  } else if (typeof value === 'bigint') {
    writeInt64(writer, value)
  } else if (value === null) {
    writeTag(writer, 'V')
  } else if (value instanceof TypedValue) {
    writeTyped(writer, value)
  } else if (Array.isArray(value)) {
    writeTag(writer, 'A')
    const start = reserve(writer, 4)
    for (const element of value) writeValue(writer, element)
    setLong(writer.buffer, start, writer.at - start - 4)
  } else if (value instanceof Uint8Array) {
    writeTag(writer, 'x')
    writeLongstr(writer, value)
  } else if (typeof value === 'object') {
    writeTag(writer, 'F')
    writeTable(writer, value)
  } else {
    throw new TypeError(`a field can't hold a ${typeof value}`)
  }
}

function writeNumber(writer: Writer, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`a field can't hold ${value}`)
  if (!Number.isSafeInteger(value)) {
    writeTag(writer, 'd')
    const at = reserve(writer, 8)
    writer.buffer.writeDoubleBE(value, at)
  } else if (value === (value | 0)) {
    writeTag(writer, 'I')
    const at = reserve(writer, 4)
    writer.buffer.writeInt32BE(value, at)
  } else {
    writeInt64(writer, BigInt(value))
  }
}

function writeInt64(writer: Writer, value: bigint): void {
  writeTag(writer, 'l')
  const at = reserve(writer, 8)
  writer.buffer.writeBigInt64BE(value, at)
}

function writeTyped(writer: Writer, typed: Typed): void {
  switch (typed.kind) {
    case 'timestamp':
      writeTag(writer, 'T')
      writeLonglong(writer, typed.value)
      return
    case 'decimal':
      writeTag(writer, 'D')
      writeOctet(writer, typed.value.places)
      writeLong(writer, typed.value.digits)
      return
    case 'float': {
      writeTag(writer, 'f')
      const at = reserve(writer, 4)
      writer.buffer.writeFloatBE(typed.value, at)
      return
    }
    case 'double': {
      writeTag(writer, 'd')
      const at = reserve(writer, 8)
      writer.buffer.writeDoubleBE(typed.value, at)
      return
    }
    case 'longstr':
      writeTag(writer, 'S')
      writeLong(writer, typed.value.length)
      writeBytes(writer, typed.value)
      return
  }
}

function writeTag(writer: Writer, tag: string): void {
  const at = reserve(writer, 1)
  writer.buffer[at] = tag.charCodeAt(0)
}
