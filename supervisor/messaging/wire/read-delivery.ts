import {
  BASIC,
  BASIC_DELIVER,
  BASIC_RETURN,
  BODY,
  FRAME_END,
  FRAME_HEAD,
  FRAME_OVERHEAD,
  HEADER,
  HEADER_FIXED,
  METHOD,
} from './constants.ts'
import type { Delivered } from './delivered.ts'
import { createPropertiesReader } from './read-properties.ts'
import { createTexts, type Texts, u16, u32 } from './texts.ts'

export interface DeliveryReader {
  /**
   * Takes what begins at an offset, if it is a frame of a message that the broker delivers or returns, or a whole such message.
   * @returns whether it did; `end`, `channel` and `message` are of the last time it did
   */
  read(bytes: Buffer, at: number): boolean
  /** The offset behind what was taken. */
  end: number
  channel: number
  /** The message that is whole with what was taken; undefined while some of it is to come. */
  message: Delivered | undefined
  /** What kind of message it is, in amqplib's words. */
  event: 'delivery' | 'return'
  /** Whether what was not taken may be, once more of its octets are there. */
  isPartial: boolean
  /** How many octets it has in all, where that is known; else 0. */
  whole: number
}

export interface DeliveryReaderOptions {
  /** Octets of a frame at most, as agreed with the broker. */
  frameMax: number
  /** The channel of a number, if it takes messages: what is for a channel that is closing is amqplib's to ignore. */
  channelOf?: (number: number) => unknown
}

/** A message of which some frames are still to come; others' frames may lie between them. */
interface Begun {
  readonly channel: unknown
  readonly event: 'delivery' | 'return'
  readonly fields: Delivered['fields']
  header: Pick<Delivered, 'properties' | 'raw' | 'unreadable'> | undefined
  /** Octets of its body that are still to come. */
  left: number
  readonly pieces: Buffer[]
}

const EMPTY = Buffer.alloc(0)
const SAME = {}

/**
 * Reads all messages that come: at a third of the cost of amqplib's reading, and whatever is in their properties, which ends
 * amqplib's connection where it does not know a type. Body and properties are views of the bytes, and texts that are the same
 * in message after message are made only once.
 */
export function createDeliveryReader({ frameMax, channelOf = () => SAME }: DeliveryReaderOptions): DeliveryReader {
  const consumerTags = createTexts()
  const exchanges = createTexts()
  const routingKeys = createTexts()
  const properties = createPropertiesReader()
  const begun = new Map<number, Begun>()
  /** Where the next field begins. */
  let next = 0

  function read(bytes: Buffer, at: number): boolean {
    reader.isPartial = false
    reader.whole = 0
    reader.message = undefined
    const end = frameEnd(bytes, at)
    if (end === 0) {
      // Of the other frames a message follows, which is larger.
      const isBody = reader.isPartial && bytes.length - at >= FRAME_HEAD && bytes[at] === BODY
      if (isBody) reader.whole = FRAME_OVERHEAD + u32(bytes, at + 3)
      return false
    }
    reader.channel = u16(bytes, at + 1)
    if (begun.size > 0 && begun.has(reader.channel)) return goOn(bytes, at, end)
    if (bytes[at] !== METHOD) return false
    const method = u32(bytes, at + FRAME_HEAD)
    if (method !== BASIC_DELIVER && method !== BASIC_RETURN) return false
    const channel = channelOf(reader.channel)
    if (!channel) return false
    reader.event = method === BASIC_DELIVER ? 'delivery' : 'return'
    return readMessage(bytes, at, end, channel)
  }

  /** A whole message in three frames or two, as nearly all are; otherwise only its beginning is taken. */
  function readMessage(bytes: Buffer, at: number, header: number, channel: unknown): boolean {
    const body = frameEnd(bytes, header)
    if (body === 0 && reader.isPartial) return false
    const isNext = body > 0 && bytes[header] === HEADER && u16(bytes, header + 1) === reader.channel
    if (!isNext || !isHeader(bytes, header, body)) return begin(bytes, at, header, channel)
    const size = sizeOf(bytes, header)
    let end = body
    if (size > 0) {
      const isOne = size <= frameMax - FRAME_OVERHEAD
      end = isOne ? frameEnd(bytes, body) : 0
      if (end === 0 && reader.isPartial) {
        reader.whole = body + FRAME_OVERHEAD + size - at
        return false
      }
      const isBody = bytes[body] === BODY && u16(bytes, body + 1) === reader.channel
      if (end !== body + FRAME_OVERHEAD + size || !isBody) return begin(bytes, at, header, channel)
    }
    const fields = readFields(bytes, at + FRAME_HEAD + 4, header - 1)
    if (!fields) return false
    const content = size === 0 ? EMPTY : bytes.subarray(body + FRAME_HEAD, end - 1)
    const known = properties.read(bytes, header + FRAME_HEAD + HEADER_FIXED, body - 1)
    const raw = bytes.subarray(header + FRAME_HEAD + HEADER_FIXED, body - 1)
    reader.message = { fields, properties: known, content, raw, unreadable: properties.unreadable }
    reader.end = end
    return true
  }

  /** Takes the method, and waits for the other frames. */
  function begin(bytes: Buffer, at: number, end: number, channel: unknown): boolean {
    reader.isPartial = false
    const fields = readFields(bytes, at + FRAME_HEAD + 4, end - 1)
    if (!fields) return false
    begun.set(reader.channel, { channel, event: reader.event, fields, header: undefined, left: 0, pieces: [] })
    reader.end = end
    return true
  }

  /** Takes one more frame of a message. What does not belong there is amqplib's to complain of. */
  function goOn(bytes: Buffer, at: number, end: number): boolean {
    const one = begun.get(reader.channel) as Begun
    const type = one.header ? BODY : HEADER
    const isItsOwn = channelOf(reader.channel) === one.channel && bytes[at] === type
    if (!isItsOwn || !(type === BODY ? takeBody(one, bytes, at, end) : takeHeader(one, bytes, at, end))) {
      begun.delete(reader.channel)
      return false
    }
    reader.end = end
    if (one.left > 0) return true
    begun.delete(reader.channel)
    const { fields, header, pieces } = one
    const content = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    reader.event = one.event
    reader.message = { fields, ...(header as NonNullable<Begun['header']>), content }
    return true
  }

  function takeHeader(one: Begun, bytes: Buffer, at: number, end: number): boolean {
    if (!isHeader(bytes, at, end)) return false
    one.left = sizeOf(bytes, at)
    const start = at + FRAME_HEAD + HEADER_FIXED
    const known = properties.read(bytes, start, end - 1)
    one.header = { properties: known, raw: bytes.subarray(start, end - 1), unreadable: properties.unreadable }
    return true
  }

  function takeBody(one: Begun, bytes: Buffer, at: number, end: number): boolean {
    const piece = bytes.subarray(at + FRAME_HEAD, end - 1)
    one.left -= piece.length
    one.pieces.push(piece)
    return one.left >= 0
  }

  /** Undefined where they don't end where the frame does. */
  function readFields(bytes: Buffer, at: number, end: number): Delivered['fields'] | undefined {
    next = at
    let fields = { consumerTag: '', deliveryTag: 0, redelivered: false, exchange: '', routingKey: '' }
    if (reader.event === 'delivery') {
      const consumerTag = shortText(bytes, consumerTags)
      const deliveryTag = u32(bytes, next) * 2 ** 32 + u32(bytes, next + 4)
      const redelivered = ((bytes[next + 8] as number) & 1) === 1
      next += 9
      const exchange = shortText(bytes, exchanges)
      fields = { consumerTag, deliveryTag, redelivered, exchange, routingKey: shortText(bytes, routingKeys) }
    } else {
      // Behind a code and a text.
      next += 2
      next += 1 + (bytes[next] as number)
      fields.exchange = shortText(bytes, exchanges)
      fields.routingKey = shortText(bytes, routingKeys)
    }
    return next === end ? fields : undefined
  }

  function shortText(bytes: Buffer, texts: Texts): string {
    const start = next + 1
    next = start + (bytes[next] as number)
    return texts.at(bytes, start, next)
  }

  /** The offset behind a frame; 0: it is not all there, or none. */
  function frameEnd(bytes: Buffer, at: number): number {
    const there = bytes.length - at
    if (there < FRAME_OVERHEAD) {
      reader.isPartial = true
      return 0
    }
    const size = FRAME_OVERHEAD + u32(bytes, at + 3)
    if (size > frameMax) return 0
    reader.isPartial = size > there
    return size <= there && bytes[at + size - 1] === FRAME_END ? at + size : 0
  }

  const reader: DeliveryReader = {
    read,
    end: 0,
    channel: 0,
    message: undefined,
    event: 'delivery',
    isPartial: false,
    whole: 0,
  }
  return reader
}

/** A content header of class basic that has room for its fixed part and the flags. */
function isHeader(bytes: Buffer, at: number, end: number): boolean {
  return end - at >= FRAME_OVERHEAD + HEADER_FIXED + 2 && u16(bytes, at + FRAME_HEAD) === BASIC
}

/** Octets of the body, as its header says. */
function sizeOf(bytes: Buffer, at: number): number {
  return u32(bytes, at + FRAME_HEAD + 4) * 2 ** 32 + u32(bytes, at + FRAME_HEAD + 8)
}
