import { readFrames } from '../../../supervisor/amqp/read-frames.ts'

/** A message that a client has sent. */
export interface Sent {
  readonly exchange: Buffer
  readonly routingKey: Buffer
  readonly properties: Buffer
  readonly body: Buffer
}

export interface SentReader {
  push(bytes: Buffer): void
  /** Whole frames so far. */
  readonly frames: number
}

interface Content {
  readonly exchange: Buffer
  readonly routingKey: Buffer
  properties: Buffer | undefined
  left: number
  readonly parts: Buffer[]
}

const PUBLISH = (60 << 16) | 40

/**
 * Reads what a client sends, damaged frames and all, and finds each message that a broker could take for one. Where the
 * frames are no frames any more it reads nothing, as a broker does.
 */
export function readSent(onMessage: (message: Sent) => void): SentReader {
  const contents = new Map<number, Content>()
  const frames = readFrames(0, onFrame)
  let isBroken = false

  let frameCount = 0

  function onFrame(type: number, channel: number, payload: Buffer): void {
    frameCount++
    if (type === 1) {
      if (payload.length < 7 || payload.readUInt32BE(0) !== PUBLISH) return
      const keyAt = 7 + payload.readUInt8(6)
      if (keyAt >= payload.length) return
      const exchange = payload.subarray(7, keyAt)
      const routingKey = payload.subarray(keyAt + 1, keyAt + 1 + payload.readUInt8(keyAt))
      contents.set(channel, { exchange, routingKey, properties: undefined, left: 0, parts: [] })
      return
    }
    const content = contents.get(channel)
    if (!content || type === 8) return
    if (type === 2 && payload.length >= 14 && !content.properties) {
      content.properties = payload.subarray(12)
      content.left = Number(payload.readBigUInt64BE(4))
    } else if (type === 3 && content.properties) {
      content.parts.push(payload)
      content.left -= payload.length
    }
    if (!content.properties || content.left !== 0) return
    contents.delete(channel)
    const { exchange, routingKey, properties, parts } = content
    onMessage({ exchange, routingKey, properties, body: Buffer.concat(parts) })
  }

  return {
    get frames() {
      return frameCount
    },
    push(bytes) {
      if (isBroken) return
      try {
        frames.push(bytes)
      } catch {
        isBroken = true
      }
    },
  }
}
