import type { Options } from '../../amqp/amqplib-inside.ts'
import { BASIC, BASIC_PUBLISH, BODY, FLAGS, FRAME_END, FRAME_HEAD, HEADER, METHOD } from './constants.ts'

/** What is written of amqplib's options, and a correlation id of any bytes. */
export type PublishProperties = Omit<Options.Publish, 'correlationId'> & {
  readonly correlationId?: string | Uint8Array
}

/** Where a message goes, and what goes before its body. */
export interface Publication {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: PublishProperties
  /** What is written instead of `properties`, if it is there: property flags and properties in the form of the wire. */
  readonly raw?: Buffer | undefined
}

/** Octets that frames, lengths and numbers take at most beside the texts. */
const FIXED = 160
/** Octets that a header takes at most beside its texts. */
const PER_HEADER = 14

/** How many octets `writePublish` may need. */
export function roomFor({ exchange, routingKey, properties }: Publication): number {
  let texts = exchange.length + routingKey.length
  for (const name of TEXTS) texts += properties[name]?.length ?? 0
  const headers = (properties.headers ?? NONE) as Record<string, unknown>
  for (const name in headers) {
    const value = headers[name]
    texts += name.length + PER_HEADER + (typeof value === 'string' ? value.length : 0)
  }
  return FIXED + texts
}

const TEXTS = ['contentType', 'contentEncoding', 'correlationId', 'replyTo', 'messageId', 'type', 'appId'] as const
const NONE: Record<string, unknown> = {}

/**
 * Writes basic.publish, the content header and the head of the body's frame, octet for octet as amqplib does, into bytes
 * that have room for it.
 * @param size of the body, in octets; without one, no frame for it
 * @returns the offset behind it; 0: something only amqplib writes is in it
 */
export function writePublish(
  bytes: Buffer,
  at: number,
  channel: number,
  publication: Publication,
  size: number,
): number {
  const { properties } = publication
  if (properties.CC !== undefined || properties.BCC !== undefined || properties.userId !== undefined) return 0
  const { contentType, contentEncoding, headers, priority, correlationId, replyTo } = properties
  const { messageId, timestamp, type, appId } = properties
  const expiration = properties.expiration === undefined ? undefined : String(properties.expiration)

  let next = writeMethod(bytes, at, channel, publication)
  if (next === 0) return 0

  // The content header. amqplib writes a table of headers always.
  const header = next
  next = frameHead(bytes, header, HEADER, channel)
  next = u32(bytes, next, BASIC << 16)
  next = u32(bytes, next, 0)
  next = u32(bytes, next, size)
  const flagsAt = next
  next += 2
  let flags = FLAGS.headers
  if (contentType !== undefined) {
    flags |= FLAGS.contentType
    next = shortText(bytes, next, contentType)
  }
  if (contentEncoding !== undefined && next > 0) {
    flags |= FLAGS.contentEncoding
    next = shortText(bytes, next, contentEncoding)
  }
  if (next > 0) next = table(bytes, next, headers ?? NONE)
  if (next === 0) return 0
  const mode = deliveryMode(properties)
  if (mode !== undefined) {
    flags |= FLAGS.deliveryMode
    bytes[next++] = mode
  }
  if (priority !== undefined) {
    flags |= FLAGS.priority
    bytes[next++] = priority
  }
  if (correlationId !== undefined) {
    flags |= FLAGS.correlationId
    next = shortText(bytes, next, correlationId)
  }
  if (replyTo !== undefined && next > 0) {
    flags |= FLAGS.replyTo
    next = shortText(bytes, next, replyTo)
  }
  if (expiration !== undefined && next > 0) {
    flags |= FLAGS.expiration
    next = shortText(bytes, next, expiration)
  }
  if (messageId !== undefined && next > 0) {
    flags |= FLAGS.messageId
    next = shortText(bytes, next, messageId)
  }
  if (timestamp !== undefined && next > 0) {
    flags |= FLAGS.timestamp
    next = u64(bytes, next, timestamp)
  }
  if (type !== undefined && next > 0) {
    flags |= FLAGS.type
    next = shortText(bytes, next, type)
  }
  if (appId !== undefined && next > 0) {
    flags |= FLAGS.appId
    next = shortText(bytes, next, appId)
  }
  if (next === 0) return 0
  u16(bytes, flagsAt, flags)
  next = endFrame(bytes, header, next)
  return size === 0 ? next : writeBodyHead(bytes, next, channel, size)
}

function writeMethod(
  bytes: Buffer,
  at: number,
  channel: number,
  { exchange, routingKey, properties }: Publication,
): number {
  let next = frameHead(bytes, at, METHOD, channel)
  next = u32(bytes, next, BASIC_PUBLISH)
  next = u16(bytes, next, 0)
  next = shortText(bytes, next, exchange)
  if (next > 0) next = shortText(bytes, next, routingKey)
  if (next === 0) return 0
  bytes[next++] = properties.mandatory ? 1 : 0
  return endFrame(bytes, at, next)
}

function writeBodyHead(bytes: Buffer, at: number, channel: number, size: number): number {
  const next = frameHead(bytes, at, BODY, channel)
  u32(bytes, at + 3, size)
  return next
}

function deliveryMode({ persistent, deliveryMode: mode }: PublishProperties): number | undefined {
  if (persistent !== undefined) return persistent ? 2 : 1
  if (typeof mode === 'number') return mode
  return mode ? 2 : undefined
}

/** A field table of texts, whole numbers and booleans; 0: there is something else in it. */
function table(bytes: Buffer, at: number, fields: Record<string, unknown>): number {
  let next = at + 4
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined) continue
    next = shortText(bytes, next, name)
    if (next === 0) return 0
    if (typeof value === 'string') {
      bytes[next] = 0x53 // S
      u32(bytes, next + 1, value.length)
      next = ascii(bytes, next + 5, value)
    } else if (typeof value === 'boolean') {
      bytes[next++] = 0x74 // t
      bytes[next++] = value ? 1 : 0
    } else if (Number.isInteger(value) && !Object.is(value, -0)) next = integer(bytes, next, value as number)
    else return 0
    if (next === 0) return 0
  }
  u32(bytes, at, next - at - 4)
  return next
}

/** In the smallest signed type that holds it. */
function integer(bytes: Buffer, at: number, value: number): number {
  if (value >= -128 && value < 128) {
    bytes[at] = 0x62 // b
    return bytes.writeInt8(value, at + 1)
  }
  if (value >= -0x8000 && value < 0x8000) {
    bytes[at] = 0x73 // s
    return bytes.writeInt16BE(value, at + 1)
  }
  if (value < -0x80000000 || value >= 0x80000000) return 0
  bytes[at] = 0x49 // I
  return bytes.writeInt32BE(value, at + 1)
}

/** 0: it is longer than 255 octets, or has others than ASCII. */
function shortText(bytes: Buffer, at: number, text: unknown): number {
  if (text instanceof Uint8Array && text.length <= 255) {
    bytes[at] = text.length
    bytes.set(text, at + 1)
    return at + 1 + text.length
  }
  if (typeof text !== 'string' || text.length > 255) return 0
  bytes[at] = text.length
  return ascii(bytes, at + 1, text)
}

// For texts as short as these a loop is faster than a call out of JavaScript.
function ascii(bytes: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return 0
    bytes[at + i] = code
  }
  return at + text.length
}

function frameHead(bytes: Buffer, at: number, type: number, channel: number): number {
  bytes[at] = type
  u16(bytes, at + 1, channel)
  return at + FRAME_HEAD
}

/** Notes a frame's size and ends it. */
function endFrame(bytes: Buffer, at: number, end: number): number {
  u32(bytes, at + 3, end - at - FRAME_HEAD)
  bytes[end] = FRAME_END
  return end + 1
}

function u16(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
  return at + 2
}

function u32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}

function u64(bytes: Buffer, at: number, value: number): number {
  return u32(bytes, u32(bytes, at, Math.floor(value / 2 ** 32)), value % 2 ** 32)
}
