import { SYNTAX_ERROR } from './errors.ts'
import type { Table } from './field-values.ts'
import { readTable } from './fields.ts'
import {
  type Reader,
  readCount,
  readLong,
  readLongstr,
  readOctet,
  readShort,
  readShortstr,
  readUtf8,
} from './reader.ts'
import type { Domain } from './spec.ts'
import { writeTable } from './write-fields.ts'
import {
  type Writer,
  writeLong,
  writeLonglong,
  writeLongstr,
  writeOctet,
  writeReplyText,
  writeShort,
  writeShortstr,
} from './writer.ts'

/** What an argument of each domain is once it is read. */
export interface Decoded {
  bit: boolean
  octet: number
  short: number
  long: number
  longlong: number
  shortstr: string
  replytext: string
  longstr: Buffer
  table: Table
}

/** What an argument of each domain may be when it is sent. */
export interface Encodable extends Omit<Decoded, 'longstr'> {
  longstr: Buffer | string
}

type Whole = Exclude<Domain, 'bit'>

/** How the domains that fill whole octets are read. */
export const READ: { [D in Whole]: (reader: Reader) => Decoded[D] } = {
  octet: readOctet,
  short: readShort,
  long: readLong,
  longlong: readCount,
  shortstr: readUtf8,
  replytext: readShortstr,
  longstr: readLongstr,
  table: readArguments,
}

/** How the short strings of methods that carry content are read: RabbitMQ checks only those of the others. */
export const READ_BYTES = readShortstr

/** How they are written; undefined is the domain's zero. */
export const WRITE: { [D in Whole]: (writer: Writer, value: Encodable[D] | undefined) => void } = {
  octet: (writer, value = 0) => writeOctet(writer, value),
  short: (writer, value = 0) => writeShort(writer, value),
  long: (writer, value = 0) => writeLong(writer, value),
  longlong: (writer, value = 0) => writeLonglong(writer, value),
  shortstr: (writer, value = '') => writeShortstr(writer, value),
  replytext: (writer, value = '') => writeReplyText(writer, value),
  longstr: (writer, value = '') => writeLongstr(writer, value),
  table: (writer, value = {}) => writeTable(writer, value),
}

function readArguments(reader: Reader): Table {
  const { code } = reader
  reader.code = SYNTAX_ERROR
  const table = readTable(reader, 0)
  reader.code = code
  return table
}
