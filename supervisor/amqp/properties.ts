export { addHeaders, dropExpiration, editHeaders, replaceHeaders, replaceReplyTo } from './edit-properties.ts'
export { decodeHeaders, decodeSomeHeaders, type Essentials, scanProperties } from './scan-properties.ts'

import type { Table } from './field-values.ts'
import { readTable } from './fields.ts'
import { type Reader, readerOf, readLonglong, readOctet, readShortstr } from './reader.ts'
import { checkEnd, readFlags } from './scan-properties.ts'
import { writeTable } from './write-fields.ts'
import { encoded, type Writer, writeLonglong, writeOctet, writeShort, writeShortstr } from './writer.ts'

/** The properties of a message, as AMQP 0-9-1, 1.8 names them. */
export interface Properties {
  contentType?: string
  contentEncoding?: string
  headers?: Table
  /** 2 is persistent, 1 is not. */
  deliveryMode?: number
  priority?: number
  correlationId?: string
  replyTo?: string
  /** Milliseconds, in digits. */
  expiration?: string
  messageId?: string
  /** Seconds since 1970; a bigint beyond 2^53. */
  timestamp?: number | bigint
  type?: string
  userId?: string
  appId?: string
  clusterId?: string
}

// The order of the properties on the wire; the first has the highest bit of the flags. The lowest bit of the flags would
// announce another 16, which class basic doesn't have, and the one above it is nobody's.
const PROPERTIES = [
  ['contentType', 'shortstr'],
  ['contentEncoding', 'shortstr'],
  ['headers', 'table'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'shortstr'],
  ['replyTo', 'shortstr'],
  ['expiration', 'shortstr'],
  ['messageId', 'shortstr'],
  ['timestamp', 'longlong'],
  ['type', 'shortstr'],
  ['userId', 'shortstr'],
  ['appId', 'shortstr'],
  ['clusterId', 'shortstr'],
] as const satisfies (readonly [keyof Properties, string])[]

/** Reads all properties: `raw` is what follows the body size in a content header. Throws CodecError 502. */
export function decodeProperties(raw: Buffer): Properties {
  const reader = readerOf(raw)
  const flags = readFlags(reader)
  const properties: Record<string, unknown> = {}
  let flag = 0x8000
  for (const [name, domain] of PROPERTIES) {
    if (flags & flag) properties[name] = readProperty(reader, domain)
    flag >>= 1
  }
  checkEnd(reader)
  return properties as Properties
}

/** Writes properties the way `decodeProperties` reads them. Throws RangeError on a string over 255 bytes. */
export function encodeProperties(properties: Properties): Buffer {
  return encoded(writeProperties, properties)
}

function readProperty(reader: Reader, domain: (typeof PROPERTIES)[number][1]): unknown {
  switch (domain) {
    case 'shortstr':
      return readShortstr(reader)
    case 'table':
      return readTable(reader, 0)
    case 'octet':
      return readOctet(reader)
    case 'longlong':
      return readLonglong(reader)
  }
}

function writeProperties(writer: Writer, properties: Properties): void {
  let flags = 0
  let flag = 0x8000
  const start = writer.at
  writeShort(writer, 0)
  for (const [name] of PROPERTIES) {
    const value = properties[name]
    if (value !== undefined) {
      flags |= flag
      writeProperty(writer, name, value)
    }
    flag >>= 1
  }
  writer.buffer.writeUInt16BE(flags, start)
}

function writeProperty(writer: Writer, name: keyof Properties, value: NonNullable<Properties[keyof Properties]>): void {
  if (name === 'timestamp') writeLonglong(writer, value as number | bigint)
  else if (typeof value === 'string') writeShortstr(writer, value)
  else if (typeof value === 'object') writeTable(writer, value)
  else writeOctet(writer, value as number)
}
