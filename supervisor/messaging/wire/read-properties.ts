import { createHash } from 'node:crypto'
import { FLAGS } from './constants.ts'
import { type MessageProperties, NONE } from './delivered.ts'
import { createTableReader } from './read-table.ts'
import { createTexts, type Texts, textOrBytes, u16, u32 } from './texts.ts'

export interface PropertiesReader {
  /**
   * Reads the property flags and the properties that lie in `bytes` from `at` up to `end`. It never throws: what can't be read
   * is missing, and named in `unreadable`.
   */
  read(bytes: Buffer, at: number, end: number): MessageProperties
  /** Names of the last message's properties, and its headers as `headers.NAME`, that could not be read. */
  unreadable: readonly string[]
}

const NO_PROPERTIES: MessageProperties = {}

/** Reads the properties of message after message; texts that are the same in many are decoded once. */
export function createPropertiesReader(): PropertiesReader {
  const contentTypes = createTexts()
  const types = createTexts()
  const appIds = createTexts()
  const tables = createTableReader()
  let bytes: Buffer = Buffer.alloc(0)
  /** Where the next property begins. */
  let next = 0
  let end = 0

  function read(from: Buffer, at: number, to: number): MessageProperties {
    bytes = from
    end = to
    next = at + 2
    reader.unreadable = NONE
    const flags = at + 2 <= end ? u16(bytes, at) : 1
    if (flags === 0) return NO_PROPERTIES
    // A further word of flags follows: not in this protocol.
    if (flags & 1) return lose('properties')
    // In the order in which they are written.
    const properties = {
      contentType: flags & FLAGS.contentType ? shortText(contentTypes) : undefined,
      contentEncoding: flags & FLAGS.contentEncoding ? shortText() : undefined,
      headers: flags & FLAGS.headers ? table() : undefined,
      deliveryMode: flags & FLAGS.deliveryMode ? bytes[next++] : undefined,
      priority: flags & FLAGS.priority ? bytes[next++] : undefined,
      correlationId: flags & FLAGS.correlationId ? shortBytes() : undefined,
      replyTo: flags & FLAGS.replyTo ? shortText() : undefined,
      expiration: flags & FLAGS.expiration ? shortText() : undefined,
      messageId: flags & FLAGS.messageId ? idOf(shortBytes()) : undefined,
      timestamp: flags & FLAGS.timestamp ? u64() : undefined,
      type: flags & FLAGS.type ? shortText(types) : undefined,
      userId: flags & FLAGS.userId ? shortText() : undefined,
      appId: flags & FLAGS.appId ? shortText(appIds) : undefined,
      clusterId: flags & FLAGS.clusterId ? shortText() : undefined,
    }
    return next > end ? lose('properties') : properties
  }

  // What ends outside of the frame is read as it comes, and found out at the end.
  function shortText(texts?: Texts): string {
    const start = next + 1
    next = start + (bytes[next] ?? 0)
    return texts ? texts.at(bytes, start, next) : bytes.toString('utf8', start, next)
  }

  function shortBytes(): string | Buffer {
    const start = next + 1
    next = start + (bytes[next] ?? 0)
    return textOrBytes(bytes, start, next)
  }

  function table(): MessageProperties['headers'] {
    const start = next + 4
    const behind = start <= end ? start + u32(bytes, next) : Number.POSITIVE_INFINITY
    next = behind
    if (behind > end) return undefined
    const headers = tables.read(bytes, start, behind)
    if (tables.unreadable.length > 0) reader.unreadable = tables.unreadable
    return headers
  }

  function u64(): number | bigint {
    next += 8
    if (next > end) return 0
    const value = u32(bytes, next - 8) * 2 ** 32 + u32(bytes, next - 4)
    return Number.isSafeInteger(value) ? value : bytes.readBigUInt64BE(next - 8)
  }

  function lose(name: string): MessageProperties {
    reader.unreadable = [name]
    return NO_PROPERTIES
  }

  const reader: PropertiesReader = { read, unreadable: NONE }
  return reader
}

/** Ids go into logs and commands: bytes that are no UTF-8 have one that is the same for the same bytes. */
function idOf(id: string | Buffer): string {
  return typeof id === 'string' ? id : `bytes-${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
}
