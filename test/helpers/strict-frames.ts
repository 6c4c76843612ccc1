import { createHash, type Hash } from 'node:crypto'
import { readFrames } from '../../supervisor/amqp/read-frames.ts'

/** A message that a client has sent, as its frames say. */
export interface SentMessage {
  readonly channel: number
  readonly exchange: string
  readonly routingKey: string
  readonly bytes: number
  /** SHA-256 of its body, in hexadecimal digits. */
  readonly digest: string
}

export interface StrictReader {
  /** Takes the next octets of what a client sends. */
  push(chunk: Buffer): void
}

export interface StrictReaderOptions {
  /** Gets what breaks AMQP 0-9-1's rules of framing (4.2.3) and content (4.2.6), once; nothing is read after it. */
  onViolation(what: string): void
  onMessage?(message: SentMessage): void
}

const GREETING = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')
const [METHOD, HEADER, HEARTBEAT] = [1, 2, 8]
const OVERHEAD = 8
const PUBLISH = (60 << 16) | 40
const TUNE_OK = (10 << 16) | 31

interface Content {
  exchange: string
  routingKey: string
  /** Octets that are still to come; undefined before the content header. */
  left: number | undefined
  bytes: number
  hash: Hash
}

/**
 * Reads a client's stream by the letter: the greeting, then whole frames no larger than agreed, and on each channel nothing
 * between a basic.publish, its content header and its body of the size that the header says.
 */
export function createStrictReader({ onViolation, onMessage }: StrictReaderOptions): StrictReader {
  const contents = new Map<number, Content>()
  let greeting = Buffer.alloc(0)
  let frameMax = 0
  let isBroken = false
  const frames = readFrames(0, (type, channel, payload) => violate(take(type, channel, payload)))

  /** @returns what is wrong with a frame, or undefined */
  function take(type: number, channel: number, payload: Buffer): string | undefined {
    if (frameMax > 0 && payload.length > frameMax - OVERHEAD) {
      return `a frame of ${payload.length + OVERHEAD} octets on channel ${channel}; agreed are ${frameMax}`
    }
    if (type === HEARTBEAT) return channel === 0 ? undefined : `a heartbeat on channel ${channel}`
    if (type === METHOD) return takeMethod(channel, payload)
    const content = contents.get(channel)
    if (!content) return `a frame of type ${type} on channel ${channel}, without a basic.publish before it`
    return type === HEADER ? takeHeader(channel, content, payload) : takeBody(channel, content, payload)
  }

  function takeMethod(channel: number, payload: Buffer): string | undefined {
    if (contents.has(channel)) return `a method on channel ${channel} within a message`
    const method = payload.readUInt32BE(0)
    if (method === TUNE_OK) frameMax = payload.readUInt32BE(6)
    if (method !== PUBLISH) return undefined
    const exchangeEnd = 7 + payload.readUInt8(6)
    const keyEnd = exchangeEnd + 1 + payload.readUInt8(exchangeEnd)
    if (payload.length !== keyEnd + 1) return `a basic.publish of ${payload.length} octets, not ${keyEnd + 1}`
    const exchange = payload.toString('utf8', 7, exchangeEnd)
    const routingKey = payload.toString('utf8', exchangeEnd + 1, keyEnd)
    contents.set(channel, { exchange, routingKey, left: undefined, bytes: 0, hash: createHash('sha256') })
    return undefined
  }

  function takeHeader(channel: number, content: Content, payload: Buffer): string | undefined {
    if (content.left !== undefined) return `a second content header on channel ${channel}`
    if (payload.readUInt16BE(0) !== 60) return `a content header of class ${payload.readUInt16BE(0)}`
    content.bytes = Number(payload.readBigUInt64BE(4))
    content.left = content.bytes
    return finish(channel, content)
  }

  function takeBody(channel: number, content: Content, payload: Buffer): string | undefined {
    if (content.left === undefined) return `a body on channel ${channel} before its content header`
    content.left -= payload.length
    if (content.left < 0) return `${-content.left} octets too many in the body on channel ${channel}`
    content.hash.update(payload)
    return finish(channel, content)
  }

  function finish(channel: number, { exchange, routingKey, left, bytes, hash }: Content): string | undefined {
    if (left !== 0) return undefined
    contents.delete(channel)
    onMessage?.({ channel, exchange, routingKey, bytes, digest: hash.digest('hex') })
    return undefined
  }

  function violate(what: string | undefined): void {
    if (what === undefined || isBroken) return
    isBroken = true
    onViolation(what)
  }

  return {
    push(chunk) {
      if (isBroken) return
      const missing = GREETING.length - greeting.length
      if (missing > 0) {
        greeting = Buffer.concat([greeting, chunk.subarray(0, missing)])
        if (!GREETING.subarray(0, greeting.length).equals(greeting)) return violate('another greeting than AMQP 0-9-1')
      }
      try {
        if (chunk.length > missing) frames.push(missing > 0 ? chunk.subarray(missing) : chunk)
      } catch (error) {
        violate((error as Error).message)
      }
    },
  }
}

/** The digest of a body as a strict reader has it. */
export function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
