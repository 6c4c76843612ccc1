import { FRAME_HEADER } from '../../amqp/frames.ts'
import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { AmqpError } from '../errors.ts'
import { type Channel, createChannel, type Defer } from './channel.ts'
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
  /** The steps that close all of them, which get and say nothing from now on. */
  closeAll(): Generator<void>
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
  let isResuming = false

  function open(number: number): void {
    if (number > channelMax) {
      throw new AmqpError(530, `channel ${number} is over the negotiated maximum of ${channelMax}`)
    }
    closed.delete(number)
    const defer: Defer = (method, done) => {
      if (done instanceof Promise) wire.hold(done.catch((error) => onError(number, method, error)))
    }
    channels.set(number, createChannel(number, wire, defer))
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
      onError(number, method, error)
    }
  }

  function onError(number: number, method: Method['name'] | undefined, error: unknown): void {
    if (!(error instanceof AmqpError) || error.endsConnection) throw error
    const released = end(number)
    if (released) wire.hold(released)
    closing.add(number)
    wire.write(encodeMethod(number, { name: 'channel.close', ...closeReason(error, method) }))
  }

  /** @returns a promise if it takes longer until all that it had is given back */
  function end(number: number): Promise<unknown> | undefined {
    const channel = channels.get(number)
    channels.delete(number)
    channel?.stop()
    const released = channel && wire.work(channel.release())
    return released instanceof Promise ? released : undefined
  }

  function close(number: number): void {
    const released = end(number)
    const answer = () => wire.write(encodeMethod(number, { name: 'channel.close-ok' }))
    if (released) wire.hold(released.then(answer))
    else answer()
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
      if (method.name === 'channel.close') return close(number)
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
      if (isResuming) return
      isResuming = true
      const done = wire.work(resumeAll())
      if (done instanceof Promise) done.catch(wire.fail)
    },

    closeAll() {
      const all = [...channels.values()]
      channels.clear()
      for (const channel of all) channel.stop()
      return releaseAll(all)
    },
  }

  function* resumeAll(): Generator<void> {
    // Who is full again before all are through is resumed anew.
    isResuming = false
    for (const channel of channels.values()) yield* channel.resume()
  }

  function* releaseAll(all: readonly Channel[]): Generator<void> {
    for (const channel of all) {
      try {
        yield* channel.release()
      } catch (error) {
        // That of one is no reason to keep what the others had.
        wire.fail(error)
      }
    }
  }
}
