import { cutText } from '../base/foreign.ts'
import { CodecError } from './errors.ts'
import type { FieldValue, Table } from './field-values.ts'
import { type Reader, readerOf, readLong, readOctet, skip } from './reader.ts'
import { FLAG, readFlags } from './scan-properties.ts'
import { writeField } from './write-fields.ts'
import { encoded, reserve, setLong, type Writer, writeBytes, writeOctet, writeShortstr } from './writer.ts'

/** How the properties of a copy differ from the message's own. */
export interface Forwarding {
  /** Headers that the copy gets; the message's own of the same names go. */
  readonly headers: Table
  /** Whether a header of this name goes. */
  readonly isDropped: (name: string) => boolean
  /** Without anything that the message came with. */
  readonly bare: boolean
  /** The copy's message-id, if the message came without one. */
  readonly messageId: string
  /** Octets that the properties may have. */
  readonly most: number
  /** The header that names what had to be left out. */
  readonly leftOut: string
}

const PERSISTENT = 2

/**
 * The properties of a message's copy: persistent, with other headers, and everything else to the byte, whatever it is. What is
 * broken is left out, and the headers where they do not fit, and named in a header: it never throws because of `raw`. The copy
 * neither expires, nor asks for an answer a second time, nor claims a user, which another connection can't.
 */
export function forwardProperties(raw: Buffer, options: Forwarding): Buffer {
  if (options.bare) return writeOnlyOwn(options, [])
  const parts = findParts(raw)
  const kept = keptHeaders(parts.headers, options)
  const missing = [...parts.broken, ...(kept ? [] : ['headers'])]
  const whole = write(parts, kept ?? [], options, missing)
  if (whole.length <= options.most) return whole
  // Before the reason why it is sent again, which the copy is about, go the headers that it came with; then large properties.
  const without = write(parts, [], options, [...missing, 'headers'])
  return without.length <= options.most ? without : writeOnlyOwn(options, ['properties'])
}

/** At the last the reason itself is cut, as a stack is longer than the smallest frame that a broker may ask for: 4,096 octets. */
function writeOnlyOwn(options: Forwarding, missing: readonly string[]): Buffer {
  let properties = write(NO_PARTS, [], options, missing)
  for (const most of [1_024, 256, 64]) {
    if (properties.length <= options.most) break
    properties = write(NO_PARTS, [], { ...options, headers: cutTexts(options.headers, most) }, missing)
  }
  return properties
}

function cutTexts(headers: Table, most: number): Table {
  const cut = (value: FieldValue | undefined) => (typeof value === 'string' ? cutText(value, most) : value)
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, cut(value)]))
}

/** Properties as slices of what came, in the order of the wire; a part that is missing is undefined. */
interface Parts {
  readonly contentType: Buffer | undefined
  readonly contentEncoding: Buffer | undefined
  /** Without its length. */
  readonly headers: Buffer | undefined
  readonly priority: number | undefined
  readonly correlationId: Buffer | undefined
  readonly messageId: Buffer | undefined
  readonly timestamp: Buffer | undefined
  readonly type: Buffer | undefined
  readonly appId: Buffer | undefined
  readonly clusterId: Buffer | undefined
  /** What could not be read. */
  readonly broken: readonly string[]
}

const NO_PARTS: Parts = {
  contentType: undefined,
  contentEncoding: undefined,
  headers: undefined,
  priority: undefined,
  correlationId: undefined,
  messageId: undefined,
  timestamp: undefined,
  type: undefined,
  appId: undefined,
  clusterId: undefined,
  broken: [],
}

function findParts(raw: Buffer): Parts {
  const reader = readerOf(raw)
  try {
    const flags = readFlags(reader)
    const text = (flag: number) => (flags & flag ? slice(reader, readOctet(reader)) : undefined)
    const contentType = text(FLAG.contentType)
    const contentEncoding = text(FLAG.contentEncoding)
    const headers = flags & FLAG.headers ? slice(reader, readLong(reader)) : undefined
    if (flags & FLAG.deliveryMode) readOctet(reader)
    const priority = flags & FLAG.priority ? readOctet(reader) : undefined
    const correlationId = text(FLAG.correlationId)
    text(FLAG.replyTo)
    text(FLAG.expiration)
    const messageId = text(FLAG.messageId)
    const timestamp = flags & FLAG.timestamp ? slice(reader, 8) : undefined
    const type = text(FLAG.type)
    text(FLAG.userId)
    const appId = text(FLAG.appId)
    const clusterId = text(FLAG.clusterId)
    const all = { contentType, contentEncoding, headers, priority, correlationId, messageId, timestamp, type, appId }
    return { ...all, clusterId, broken: [] }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return { ...NO_PARTS, broken: ['properties'] }
  }
}

/** The fields that stay, each as it came; undefined where nobody can tell where one ends. */
function keptHeaders(table: Buffer | undefined, { headers, isDropped }: Forwarding): Buffer[] | undefined {
  if (!table) return []
  const fields: Buffer[] = []
  const reader = readerOf(table)
  try {
    while (reader.at < reader.end) {
      const start = reader.at
      const name = slice(reader, readOctet(reader)).toString()
      skipValue(reader)
      if (!isDropped(name) && !Object.hasOwn(headers, name)) fields.push(table.subarray(start, reader.at))
    }
    return fields
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return undefined
  }
}

/** Octets of the types that have always as many. */
const SIZES = new Map([...'tbB'].map((type) => [type, 1]))
for (const type of 'su') SIZES.set(type, 2)
for (const type of 'Iif') SIZES.set(type, 4)
for (const type of 'lLdT') SIZES.set(type, 8)
SIZES.set('D', 5).set('V', 0)

/** Past a value, whatever is nested in it. */
function skipValue(reader: Reader): void {
  const type = String.fromCharCode(readOctet(reader))
  const size = SIZES.get(type)
  if (size !== undefined) skip(reader, size, 'a value')
  else if ('SxFA'.includes(type)) slice(reader, readLong(reader))
  else throw new CodecError(reader.code, `a value of an unknown type, ${type}`)
}

function slice(reader: Reader, size: number): Buffer {
  const start = skip(reader, size, 'a value')
  return reader.buffer.subarray(start, reader.at)
}

function write(parts: Parts, kept: readonly Buffer[], options: Forwarding, missing: readonly string[]): Buffer {
  return encoded((writer) => {
    const start = reserve(writer, 2)
    let flags = FLAG.headers | FLAG.deliveryMode | FLAG.messageId
    const text = (flag: number, value: Buffer | undefined) => {
      if (!value) return
      flags |= flag
      writeOctet(writer, value.length)
      writeBytes(writer, value)
    }
    text(FLAG.contentType, parts.contentType)
    text(FLAG.contentEncoding, parts.contentEncoding)
    writeHeaders(writer, kept, options, missing)
    writeOctet(writer, PERSISTENT)
    if (parts.priority !== undefined) {
      flags |= FLAG.priority
      writeOctet(writer, parts.priority)
    }
    text(FLAG.correlationId, parts.correlationId)
    if (parts.messageId && parts.messageId.length > 0) text(FLAG.messageId, parts.messageId)
    else writeShortstr(writer, options.messageId)
    if (parts.timestamp) {
      flags |= FLAG.timestamp
      writeBytes(writer, parts.timestamp)
    }
    text(FLAG.type, parts.type)
    text(FLAG.appId, parts.appId)
    text(FLAG.clusterId, parts.clusterId)
    writer.buffer.writeUInt16BE(flags, start)
  }, undefined)
}

/** A header of ours that takes up what a sender wrote may have no form on the wire; the copy is sent all the same. */
function writeOwn(writer: Writer, name: string, value: FieldValue): void {
  const start = writer.at
  try {
    writeField(writer, name, value)
  } catch {
    writer.at = start
  }
}

function writeHeaders(writer: Writer, kept: readonly Buffer[], options: Forwarding, missing: readonly string[]): void {
  const start = reserve(writer, 4)
  for (const field of kept) writeBytes(writer, field)
  for (const [name, value] of Object.entries(options.headers)) {
    if (value !== undefined) writeOwn(writer, name, value)
  }
  if (missing.length > 0) writeField(writer, options.leftOut, missing.join(', '))
  setLong(writer.buffer, start, writer.at - start - 4)
}
