import { CodecError, SYNTAX_ERROR } from './errors.ts'
import type { Table } from './field-values.ts'
import { readSome, readTable, skipTable } from './fields.ts'
import { type Reader, readerOf, readOctet, readShort, skip } from './reader.ts'
import { decodeText } from './text.ts'

/** What a broker has to know of every message's properties. */
export interface Essentials {
  /** 1 unless given. */
  deliveryMode: number
  priority: number | undefined
  expiration: string | undefined
  /** There is at least one header. */
  hasHeaders: boolean
}

/** Bits of the property flags. */
export const FLAG = {
  contentType: 0x8000,
  contentEncoding: 0x4000,
  headers: 0x2000,
  deliveryMode: 0x1000,
  priority: 0x0800,
  correlationId: 0x0400,
  replyTo: 0x0200,
  expiration: 0x0100,
  messageId: 0x0080,
  timestamp: 0x0040,
  type: 0x0020,
  userId: 0x0010,
  appId: 0x0008,
  clusterId: 0x0004,
  /** The four above. */
  rest: 0x003c,
} as const

/**
 * Reads what a broker needs and checks everything: properties that pass can be read by all functions here later.
 * Throws CodecError 502.
 */
export function scanProperties(raw: Buffer): Essentials {
  const places = findPlaces(raw)
  return {
    deliveryMode: places.deliveryMode,
    priority: places.priority,
    expiration: places.expirationEnd > places.expirationAt ? expirationOf(raw, places) : undefined,
    // An empty table is its length, 4 bytes.
    hasHeaders: places.headersEnd - places.headersAt > 4,
  }
}

/** Reads the headers alone; undefined when there are none. Throws CodecError 502. */
export function decodeHeaders(raw: Buffer): Table | undefined {
  const { headersAt, headersEnd } = findPlaces(raw)
  return headersEnd > headersAt ? readTable(readerOf(raw, headersAt), 0) : undefined
}

/** Reads the headers that have one of the names. Throws CodecError 502. */
export function decodeSomeHeaders(raw: Buffer, names: ReadonlySet<string>): Table {
  const { headersAt, headersEnd } = findPlaces(raw)
  return headersEnd > headersAt ? readSome(readerOf(raw, headersAt + 4), headersEnd, names) : {}
}

/** Where the parts are that a broker changes. A part that is missing is empty and lies where it would be. */
export interface Places {
  flags: number
  deliveryMode: number
  priority: number | undefined
  headersAt: number
  headersEnd: number
  replyToAt: number
  expirationAt: number
  expirationEnd: number
}

/** Goes through all properties, checking them. Throws CodecError 502. */
export function findPlaces(raw: Buffer): Places {
  const reader = readerOf(raw)
  const flags = readFlags(reader)
  let deliveryMode = 1
  let priority: number | undefined
  if (flags & FLAG.contentType) skipShortstr(reader)
  if (flags & FLAG.contentEncoding) skipShortstr(reader)
  const headersAt = reader.at
  if (flags & FLAG.headers) skipTable(reader, 0)
  const headersEnd = reader.at
  if (flags & FLAG.deliveryMode) deliveryMode = readOctet(reader)
  if (flags & FLAG.priority) priority = readOctet(reader)
  if (flags & FLAG.correlationId) skipShortstr(reader)
  const replyToAt = reader.at
  if (flags & FLAG.replyTo) skipShortstr(reader)
  const expirationAt = reader.at
  if (flags & FLAG.expiration) skipShortstr(reader)
  const expirationEnd = reader.at
  if (flags & FLAG.messageId) skipShortstr(reader)
  if (flags & FLAG.timestamp) skip(reader, 8, 'a timestamp')
  for (let rest = flags & FLAG.rest; rest; rest &= rest - 1) skipShortstr(reader)
  checkEnd(reader)
  return { flags, deliveryMode, priority, headersAt, headersEnd, replyToAt, expirationAt, expirationEnd }
}

/** Reads the flags. Throws CodecError 502 on any that class basic does not have. */
export function readFlags(reader: Reader): number {
  const flags = readShort(reader)
  if (flags & 3) throw new CodecError(SYNTAX_ERROR, 'property flags that class basic does not have')
  return flags
}

/** Throws CodecError 502 unless all was read. */
export function checkEnd(reader: Reader): void {
  if (reader.at !== reader.end) throw new CodecError(SYNTAX_ERROR, `${reader.end - reader.at} bytes too many`)
}

function skipShortstr(reader: Reader): void {
  skip(reader, readOctet(reader), 'a short string')
}

function expirationOf(raw: Buffer, { expirationAt, expirationEnd }: Places): string {
  return decodeText(raw, expirationAt + 1, expirationEnd)
}
