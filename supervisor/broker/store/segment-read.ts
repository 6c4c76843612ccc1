import { crc32 } from 'node:zlib'
import { decodeText } from '../../amqp/text.ts'
import type { Bodies } from './bodies.ts'
import { type EntrySource, type Message, type SharedBody, StoredEntry } from './entry.ts'
import { type Segment, SegmentFormatError } from './segment.ts'
import { DEAD, EXPIRES, HEADER, MAGIC, ONLY_KEY, PERSISTENT, PLACE, SAME_ADDRESS, SHARED } from './segment-format.ts'

/** What reading takes of the lane around it. */
export interface ReadContext {
  readonly source: EntrySource
  readonly bodies: Bodies
  /** Positions below it may have been handed out before a restart. */
  readonly handedOut: number
}

/** Where the next record is, and the address that it may leave out. */
interface Cursor {
  offset: number
  exchange: string
  routingKey: string
}

/** Entries of a segment's record; their properties, and bodies that are not shared, are views of it. */
export function readSegment(
  segment: Segment,
  raw: Buffer,
  isWanted: (segment: Segment, index: number) => boolean,
  { source, bodies, handedOut }: ReadContext,
): StoredEntry[] {
  const entries: StoredEntry[] = []
  const cursor: Cursor = { offset: HEADER, exchange: '', routingKey: '' }
  for (let index = 0; index < segment.count; index++) {
    const start = cursor.offset
    if (!isWanted(segment, index)) {
      readMessage(segment, raw, cursor, undefined)
      continue
    }
    const message = readMessage(segment, raw, cursor, bodies) as Message
    const position = segment.first + raw.readUInt32LE(start + 1)
    const deliveryCount = segment.counts?.[2 * index] ?? 0
    const acquiredCount = segment.counts?.[2 * index + 1] ?? 0
    const entry = new StoredEntry(source, {
      position,
      message,
      expiresAt: (raw[start] as number) & EXPIRES ? raw.readDoubleLE(start + 5) : 0,
      deliveryCount,
      acquiredCount,
      redelivered: position < handedOut || deliveryCount > 0 || acquiredCount > 0,
    })
    entry.segment = segment
    entry.index = index
    entries.push(entry)
  }
  return entries
}

/** One message of a record that was checked. */
export function readOne(segment: Segment, raw: Buffer, index: number, bodies: Bodies): Message {
  const cursor: Cursor = { offset: HEADER, exchange: '', routingKey: '' }
  for (let i = 0; i < index; i++) readMessage(segment, raw, cursor, undefined)
  return readMessage(segment, raw, cursor, bodies) as Message
}

/** @throws {SegmentFormatError} if the record is not what was written */
export function checkRecord(segment: Segment, raw: Buffer | undefined): Buffer {
  if (!raw) throw new SegmentFormatError('the record is missing')
  if (raw.length !== segment.size) throw new SegmentFormatError(`it has ${raw.length} bytes instead of ${segment.size}`)
  if (raw.readUInt32LE(0) !== MAGIC || raw.readUInt32LE(8) !== segment.count) {
    throw new SegmentFormatError('its header is wrong')
  }
  if (raw.readUInt32LE(4) !== crc32(raw.subarray(8))) throw new SegmentFormatError('its checksum is wrong')
  return raw
}

/** Moves on by a record. Without `bodies` its message is skipped. */
function readMessage(segment: Segment, raw: Buffer, cursor: Cursor, bodies: Bodies | undefined): Message | undefined {
  let { offset } = cursor
  const flags = raw[offset] as number
  offset += flags & EXPIRES ? 13 : 5
  if (!(flags & SAME_ADDRESS)) {
    const keyStart = offset + 1 + (raw[offset] as number)
    cursor.exchange = decodeText(raw, offset + 1, keyStart)
    offset = keyStart + 1 + (raw[keyStart] as number)
    cursor.routingKey = decodeText(raw, keyStart + 1, offset)
  }
  const propertiesStart = offset + 4
  const propertiesEnd = propertiesStart + raw.readUInt32LE(offset)
  const isShared = (flags & SHARED) !== 0
  cursor.offset = propertiesEnd + (isShared ? PLACE : 4 + raw.readUInt32LE(propertiesEnd))
  if (!bodies) return undefined
  const message: Message = {
    exchange: cursor.exchange,
    routingKey: cursor.routingKey,
    properties: raw.subarray(propertiesStart, propertiesEnd),
    body: isShared ? NOTHING : raw.subarray(propertiesEnd + 4, cursor.offset),
    shared: undefined,
    persistent: (flags & PERSISTENT) !== 0,
    dead: (flags & DEAD) !== 0,
    onlyKey: (flags & ONLY_KEY) !== 0,
    priority: segment.priority,
  }
  if (!isShared) return message
  const place = {
    id: raw.readUIntLE(propertiesEnd, 6),
    length: raw.readUInt32LE(propertiesEnd + 6),
    crc: raw.readUInt32LE(propertiesEnd + 10),
  }
  return withSharedBody(message, bodies.at(place), bodies)
}

const NOTHING = Buffer.alloc(0)

/** The message with a body that is read when somebody asks for it; a copy by spreading has read it. */
function withSharedBody(message: Message, shared: SharedBody, bodies: Bodies): Message {
  return {
    exchange: message.exchange,
    routingKey: message.routingKey,
    properties: message.properties,
    get body() {
      return bodies.load(shared)
    },
    shared,
    persistent: message.persistent,
    priority: message.priority,
    dead: message.dead ?? false,
    onlyKey: message.onlyKey ?? false,
  }
}

/** The same, of a message that may be such a one already. */
export function readOnDemand(message: Message, shared: SharedBody, bodies: Bodies): Message {
  const isRead = Object.getOwnPropertyDescriptor(message, 'body')?.get !== undefined
  return isRead ? message : withSharedBody(message, shared, bodies)
}
