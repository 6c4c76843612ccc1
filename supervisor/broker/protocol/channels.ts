import { FRAME_HEADER } from '../../amqp/frames.ts'
import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { AmqpError } from '../errors.ts'
import { type Channel, createChannel } from './channel.ts'
import { closeReason } from './closing.ts'
import type { Wire } from './context.ts'

/** The channels of a connection, by number. Its methods throw AmqpError for what ends the connection. */
export interface Channels {
  /** Whether it is open, or closing. */
  has(number: number): boolean
  onMethod(number: number, method: Method): void
  /** A content header or a part of a body. */
  onContent(type: number, number: number, payload: Buffer): void
  /** The connection takes messages again. */
  resume(): void
  closeAll(): void
}

export interface ChannelsOptions {
  readonly wire: Wire
  /** The highest number. */
  readonly channelMax: number
  /** Called before each `basic.publish`. */
  onPublish(): void
}

export function createChannels({ wire, channelMax, onPublish }: ChannelsOptions): Channels {
  const channels = new Map<number, Channel>()
  /** Channels that the broker has closed and whose client has not answered. */
  const closing = new Set<number>()
  /** Channels that the broker has closed and whose client has answered. */
  const closed = new Set<number>()

  function open(number: number): void {
    if (number > channelMax) {
      throw new AmqpError(530, `channel ${number} is over the negotiated maximum of ${channelMax}`)
    }
    closed.delete(number)
    channels.set(number, createChannel(number, wire))
    wire.write(encodeMethod(number, { name: 'channel.open-ok' }))
  }

  /** Nearly everything is ignored: the client sent it before it knew. */
  function whileClosing(number: number, method: Method): void {
    if (method.name === 'channel.open') throw new AmqpError(504, "second 'channel.open' seen")
    // A `channel.close` that crossed the broker's own is answered; only the answer to that one ends the waiting for it.
    if (method.name === 'channel.close') wire.write(encodeMethod(number, { name: 'channel.close-ok' }))
    if (method.name === 'channel.close-ok' && closing.delete(number)) closed.add(number)
  }

  /** Lets an error that is the channel's own end that channel alone. */
  function attempt(number: number, method: Method['name'], action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!(error instanceof AmqpError) || error.endsConnection) throw error
      end(number)
      closing.add(number)
      wire.write(encodeMethod(number, { name: 'channel.close', ...closeReason(error, method) }))
    }
  }

  function end(number: number): void {
    const channel = channels.get(number)
    channels.delete(number)
    channel?.close()
  }

  return {
    has: (number) => channels.has(number) || closing.has(number),

    onMethod(number, method) {
      if (closing.has(number)) return whileClosing(number, method)
      const channel = channels.get(number)
      if (method.name === 'channel.open') {
        if (channel) throw new AmqpError(504, "second 'channel.open' seen")
        return open(number)
      }
      if (!channel) {
        // A client with several threads may send its own behind its answer to the broker's. RabbitMQ ends the connection.
        if (method.name !== 'channel.close' || !closed.has(number)) throw new AmqpError(504, "expected 'channel.open'")
        return wire.write(encodeMethod(number, { name: 'channel.close-ok' }))
      }
      if (method.name === 'channel.close') {
        end(number)
        return wire.write(encodeMethod(number, { name: 'channel.close-ok' }))
      }
      if (method.name === 'basic.publish') onPublish()
      attempt(number, method.name, () => channel.onMethod(method))
    },

    onContent(type, number, payload) {
      const channel = channels.get(number)
      // What comes behind the broker's `channel.close` is dropped.
      if (!channel) return
      attempt(number, 'basic.publish', () =>
        type === FRAME_HEADER ? channel.onHeader(payload) : channel.onBody(payload),
      )
    },

    resume() {
      for (const channel of channels.values()) channel.resume()
    },

    closeAll() {
      for (const number of [...channels.keys()]) end(number)
    },
  }
}
