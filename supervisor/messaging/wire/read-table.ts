import type { Headers } from '../../base/message.ts'
import { NONE } from './delivered.ts'
import { createTexts, textOrBytes, u32 } from './texts.ts'

export interface TableReader {
  /**
   * Reads a field table that lies in `bytes` from `at`, behind its length, up to `end`. It never throws: what can't be read is
   * missing, and named in `unreadable`.
   */
  read(bytes: Buffer, at: number, end: number): Headers
  /** Names of the last table's fields that could not be read, as `headers.NAME`; `headers`: all that follows is unknown. */
  unreadable: readonly string[]
}

/** How deep tables and arrays may be nested. RabbitMQ passes on any depth; nothing real comes near this. */
const MAX_DEPTH = 64
/** The value of a field whose end is not known: what follows it is lost. */
const BROKEN = Symbol('broken')

/** A table without a prototype, so that no name in it is special; as fast as an object with one. */
const Table = function Table() {} as unknown as new () => Record<string, unknown>
Table.prototype = Object.create(null)

/**
 * Reads headers as amqplib does, and what makes amqplib throw: every type that RabbitMQ passes on, in tables without a
 * prototype. Of fields with the same name the first counts, as in RabbitMQ. 64-bit integers beyond 2^53 are bigints, texts
 * that are no UTF-8 are bytes, timestamps and decimals are amqplib's `{ '!': type, value }`.
 */
export function createTableReader(): TableReader {
  const names = createTexts()
  let bytes: Buffer = Buffer.alloc(0)
  /** Where the next field begins. */
  let next = 0
  /** Whether something was skipped in the present field. */
  let isIncomplete = false

  function readFields(end: number, depth: number): Record<string, unknown> | typeof BROKEN {
    const table = new Table()
    while (next < end) {
      const start = next + 1
      next = start + (bytes[next] as number)
      if (next >= end) return BROKEN
      const name = names.at(bytes, start, next)
      const value = readValue(end, depth)
      if (value === BROKEN) return BROKEN
      if (table[name] === undefined) table[name] = value
    }
    return table
  }

  function readValue(end: number, depth: number): unknown {
    const type = bytes[next++]
    const at = next
    switch (type) {
      case 0x53: // S
      case 0x78: // x
        if (!skipLong(end)) return BROKEN
        return type === 0x53 ? textOrBytes(bytes, at + 4, next) : bytes.subarray(at + 4, next)
      case 0x49: // I
        return skip(4, end) ? bytes.readInt32BE(at) : BROKEN
      case 0x62: // b
        return skip(1, end) ? bytes.readInt8(at) : BROKEN
      case 0x73: // s
        return skip(2, end) ? bytes.readInt16BE(at) : BROKEN
      case 0x6c: // l
      case 0x4c: // L, which py-amqp writes for large integers
        return skip(8, end) ? narrowest(bytes.readBigInt64BE(at)) : BROKEN
      case 0x74: // t
        return skip(1, end) ? bytes[at] !== 0 : BROKEN
      case 0x54: // T
        return skip(8, end) ? { '!': 'timestamp', value: narrowest(bytes.readBigUInt64BE(at)) } : BROKEN
      case 0x46: // F
      case 0x41: // A
        return readNested(type === 0x46, end, depth + 1)
      case 0x56: // V
        return null
      case 0x64: // d
        return skip(8, end) ? bytes.readDoubleBE(at) : BROKEN
      case 0x66: // f
        return skip(4, end) ? bytes.readFloatBE(at) : BROKEN
      case 0x42: // B
        return skip(1, end) ? bytes[at] : BROKEN
      case 0x75: // u
        return skip(2, end) ? bytes.readUInt16BE(at) : BROKEN
      case 0x69: // i
        return skip(4, end) ? u32(bytes, at) : BROKEN
      case 0x44: // D
        if (!skip(5, end)) return BROKEN
        return { '!': 'decimal', value: { places: bytes[at], digits: u32(bytes, at + 1) } }
      default:
        return BROKEN
    }
  }

  /** A table or an array; its length says where it ends, whatever is in it. */
  function readNested(isTable: boolean, end: number, depth: number): unknown {
    const at = next + 4
    if (!skipLong(end)) return BROKEN
    const behind = next
    const value = depth > MAX_DEPTH ? BROKEN : readInside(isTable, at, behind, depth)
    next = behind
    if (value !== BROKEN) return value
    isIncomplete = true
    return undefined
  }

  function readInside(isTable: boolean, at: number, end: number, depth: number): unknown {
    next = at
    if (isTable) return readFields(end, depth)
    const values: unknown[] = []
    while (next < end) {
      const value = readValue(end, depth)
      if (value === BROKEN) return BROKEN
      values.push(value)
    }
    return values
  }

  function skip(octets: number, end: number): boolean {
    next += octets
    return next <= end
  }

  function skipLong(end: number): boolean {
    return skip(4, end) && skip(u32(bytes, next - 4), end)
  }

  /** The outermost table: each of its fields is missing by itself. */
  function read(from: Buffer, at: number, end: number): Headers {
    bytes = from
    next = at
    reader.unreadable = NONE
    const table = new Table()
    while (next < end) {
      const start = next + 1
      next = start + (bytes[next] as number)
      if (next >= end) return lose('headers', table)
      const name = names.at(bytes, start, next)
      isIncomplete = false
      const value = readValue(end, 0)
      if (value === BROKEN) return lose('headers', lose(`headers.${name}`, table))
      if (isIncomplete) lose(`headers.${name}`, table)
      else if (table[name] === undefined) table[name] = value
    }
    return table
  }

  function lose(name: string, table: Record<string, unknown>): Record<string, unknown> {
    reader.unreadable = [...reader.unreadable, name]
    return table
  }

  const reader: TableReader = { read, unreadable: NONE }
  return reader
}

function narrowest(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
