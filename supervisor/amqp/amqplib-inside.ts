// All that touches amqplib's inside, which is no part of its API: package.json names the one version that this is made for.
import type { Socket } from 'node:net'
import type { Channel, ChannelModel } from 'amqplib'

export type { Channel as AmqplibChannel, ChannelModel, ConfirmChannel as AmqplibConfirmChannel, Options } from 'amqplib'

export type OnConfirm = (error: Error | null) => void

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

/** Whether a channel takes frames; one that is closing has an `accept` of its own, which ignores them. */
export function takesFrames(channel: InnerChannel): boolean {
  return !Object.hasOwn(channel, 'accept')
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

/** Calls `before` ahead of each method that amqplib sends, with its channel's number. */
export function beforeEachMethod(connection: InnerConnection, before: (channel: number) => void): void {
  const sendMethod = connection.sendMethod.bind(connection)
  connection.sendMethod = function sendInOrder(channel, method, fields) {
    before(channel)
    return sendMethod(channel, method, fields)
  }
}

/** Hands a message to a channel's listeners, as amqplib does. */
export function dispatch(channel: InnerChannel, event: 'delivery' | 'return', message: unknown): void {
  try {
    channel.emit(event, message)
  } catch (error) {
    if (channel.listenerCount('handler-error') === 0) throw error
    setImmediate(() => channel.emit('handler-error', error, event))
  }
}
