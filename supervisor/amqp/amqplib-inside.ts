// All that touches amqplib's inside, which is no part of its API: package.json names the one version that this is made for.
import type { Socket } from 'node:net'
import type { Channel, ChannelModel } from 'amqplib'

export type { Channel as AmqplibChannel, ChannelModel, ConfirmChannel as AmqplibConfirmChannel, Options } from 'amqplib'

export type OnConfirm = (error: Error | null) => void

/** What amqplib hands to `net.connect`, beside the host and the port of the URL, which a `path` overrides. */
export interface SocketOptions {
  /** Of a Unix domain socket. */
  readonly path?: string
  /** Milliseconds without a byte, until the connection is open. */
  readonly timeout?: number
  readonly noDelay?: boolean
}

/** What amqplib calls a `basic.nack`, in an error without a code. */
export const NACKED = 'message nacked'

/**
 * A channel's way to the socket. amqplib takes one chunk at a time of each channel in turn, and puts heartbeats between
 * any two: **each chunk has to be whole frames**, any number of them.
 */
export interface Outlet {
  /** @returns false: there is much in it already */
  write(frames: Buffer): boolean
  readonly writableNeedDrain: boolean
}

/** What is used of amqplib's connection. */
export interface InnerConnection {
  /** What has been read from the socket but not understood. */
  rest: Buffer
  /** Octets of a frame at most, as agreed with the broker. */
  readonly frameMax: number
  sentSinceLastCheck: boolean
  recvSinceLastCheck: boolean
  readonly stream: { read(): Buffer | null }
  readonly channels: ({ readonly channel: InnerChannel; readonly buffer: Outlet } | null)[]
  /** What takes frames; another function does when the connection is closing. */
  accept: unknown
  recvFrame(): unknown
  sendMethod(channel: number, method: unknown, fields: unknown): boolean
}

/** What is used of amqplib's channel. */
export interface InnerChannel {
  readonly ch: number
  emit(event: string, ...args: unknown[]): boolean
  listenerCount(event: string): number
  pushConfirmCallback(onConfirm: OnConfirm): void
}

/** A connection's inside, or undefined where it is not as expected: then amqplib's own API has to do. */
export function insideOf(model: ChannelModel): InnerConnection | undefined {
  const connection = model.connection as unknown as InnerConnection
  return isAsExpected(connection) ? connection : undefined
}

function isAsExpected({ rest, recvFrame, sendMethod, channels, accept, stream, frameMax }: InnerConnection): boolean {
  const functions = [recvFrame, sendMethod, accept, stream?.read].every((one) => typeof one === 'function')
  return functions && Buffer.isBuffer(rest) && Array.isArray(channels) && Number.isInteger(frameMax)
}

export function innerChannel(channel: Channel): InnerChannel {
  return channel as unknown as InnerChannel
}

/** A channel's way out; undefined when the channel is closed or closing, or its connection is. */
export function outletOf(connection: InnerConnection, channel: InnerChannel): Outlet | undefined {
  // What is closing has a method of its own that throws.
  if (Object.hasOwn(channel, 'sendMessage') || Object.hasOwn(connection, 'sendMessage')) return undefined
  const place = connection.channels[channel.ch]
  // Its number may be another channel's by now.
  return place?.channel === channel ? place.buffer : undefined
}

/** The channel of a number, if it takes messages; one that is closing has an `accept` of its own, which ignores them. */
export function channelOf(connection: InnerConnection, number: number): InnerChannel | undefined {
  const channel = connection.channels[number]?.channel
  return channel && !Object.hasOwn(channel, 'accept') ? channel : undefined
}

/** What reads messages in amqplib's place. */
export interface Intake {
  /** Takes what begins at an offset, if it is a message's. @returns whether it did */
  read(bytes: Buffer, at: number): boolean
  /** The offset behind what was taken. */
  readonly end: number
  readonly channel: number
  /** The message that is whole with it, if any. */
  readonly message: unknown
  readonly event: 'delivery' | 'return'
  /** Whether what was not taken may be, once more of its octets are there. */
  readonly isPartial: boolean
  /** Puts together what is there and what has been read after it. */
  join(rest: Buffer, next: Buffer): Buffer
  /** What `join` has left over. */
  takeRest(): Buffer | undefined
}

/** Lets another read first, as long as the connection is open; what it does not take is amqplib's. */
export function readFirst(connection: InnerConnection, intake: Intake): void {
  const recvFrame = connection.recvFrame.bind(connection)
  const whileOpen = connection.accept
  /** Up to where `rest` has been read. */
  let offset = 0

  connection.recvFrame = function receive(): unknown {
    for (;;) {
      while (connection.accept === whileOpen && intake.read(connection.rest, offset)) {
        offset = intake.end
        if (intake.message === undefined) continue
        const channel = channelOf(connection, intake.channel)
        if (channel) dispatch(channel, intake.event, intake.message)
      }
      const isPartial = connection.accept === whileOpen && intake.isPartial
      if (offset > 0) {
        connection.rest = connection.rest.subarray(offset)
        offset = 0
      }
      const left = intake.takeRest()
      if (left) {
        connection.rest = connection.rest.length > 0 ? Buffer.concat([connection.rest, left]) : left
        continue
      }
      // One of the other frames; or it reads on, and comes back here.
      if (!isPartial) return recvFrame()
      const next = connection.stream.read()
      if (!next) return false
      connection.recvSinceLastCheck = true
      connection.rest = intake.join(connection.rest, next)
    }
  }
}

/** Notes that a message is on its way out of a channel, and who gets its confirm. */
export function published(connection: InnerConnection, channel: InnerChannel, onConfirm: OnConfirm): void {
  channel.pushConfirmCallback(onConfirm)
  connection.sentSinceLastCheck = true
}

/** A connection's socket: amqplib offers no other way to let go of a peer that does not answer. */
export function socketOf(model: ChannelModel): Socket {
  return (model.connection as unknown as { stream: Socket }).stream
}

/** What is used of a channel's calls that have an answer: amqplib sends one when the one before is answered. */
interface Calls {
  /** Takes the answer that is due next, if one is. */
  reply: unknown
  /** Those behind it, which `accept` sends and makes due in turn. */
  readonly pending: { method: unknown; fields: object; reply: unknown }[]
  sendOrEnqueue(method: unknown, fields: object, reply: unknown): void
  sendImmediately(method: unknown, fields: object): unknown
}

/**
 * Has calls sent at once, without waiting for the answers to those before. A broker handles a channel's methods in order,
 * and can have many declarations on disk at the price of one. Nothing changes where amqplib's inside is not as expected.
 */
export function sendAtOnce(channel: Channel): void {
  const calls = channel as unknown as Calls
  const { sendOrEnqueue, sendImmediately } = calls
  if (typeof sendOrEnqueue !== 'function' || typeof sendImmediately !== 'function' || !Array.isArray(calls.pending))
    return
  const sent = new WeakSet<object>()
  // A channel that closes gets methods of its own instead, which throw.
  calls.sendOrEnqueue = function sendNow(method, fields, reply) {
    if (calls.reply) {
      calls.sendImmediately(method, fields)
      sent.add(fields)
    }
    sendOrEnqueue.call(channel, method, fields, reply)
  }
  calls.sendImmediately = function sendOnce(method, fields) {
    return sent.delete(fields) || sendImmediately.call(channel, method, fields)
  }
}

/** Calls `before` ahead of each method that amqplib sends, with its channel's number. */
export function beforeEachMethod(connection: InnerConnection, before: (channel: number) => void): void {
  const sendMethod = connection.sendMethod.bind(connection)
  connection.sendMethod = function sendInOrder(channel, method, fields) {
    before(channel)
    return sendMethod(channel, method, fields)
  }
}

/** Hands a message to a channel's listeners, as amqplib does. */
function dispatch(channel: InnerChannel, event: 'delivery' | 'return', message: unknown): void {
  try {
    channel.emit(event, message)
  } catch (error) {
    if (channel.listenerCount('handler-error') === 0) throw error
    setImmediate(() => channel.emit('handler-error', error, event))
  }
}
