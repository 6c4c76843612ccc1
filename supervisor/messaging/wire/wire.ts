import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'
import { FRAME_END, FRAME_OVERHEAD } from './constants.ts'
import { createGatherer } from './gather.ts'
import { createDeliveryReader } from './read-delivery.ts'
import { type Publication, roomFor, writePublish } from './write-publish.ts'

/** What of amqplib's connection is used here. It is not part of its API: where it is not as expected, nothing is done. */
interface Connection {
  rest: Buffer
  frameMax: number
  sentSinceLastCheck: boolean
  recvSinceLastCheck: boolean
  readonly stream: { read(): Buffer | null }
  readonly channels: ({
    channel: Channel
    buffer: { write(bytes: Buffer): boolean; writableNeedDrain: boolean }
  } | null)[]
  accept: unknown
  recvFrame(): unknown
  sendMethod(channel: number, method: unknown, fields: unknown): boolean
}

interface Channel {
  readonly ch: number
  readonly connection: Connection
  emit(event: string, ...args: unknown[]): boolean
  listenerCount(event: string): number
  pushConfirmCallback(onConfirm: OnConfirm): void
}

export type OnConfirm = (error: Error | null) => void

/** The frames of messages, both ways, at a fraction of what amqplib takes for them. */
export interface Wire {
  /** As amqplib's `publish`, by which it also throws. @returns false: wait for the channel's `drain` */
  publish(channel: ConfirmChannel, publication: Publication, body: Buffer, onConfirm: OnConfirm): boolean
}

/** Octets of messages that go to the socket in one piece. */
const SLAB = 64 * 1024
/** Octets from which on a body is not copied. */
const LARGE = 8 * 1024

/**
 * Takes over reading deliveries and writing publications on a connection. amqplib makes twenty objects for each message,
 * and writes each by itself; that was the larger part of what a message cost.
 */
export function openWire(model: ChannelModel): Wire {
  const connection = model.connection as unknown as Connection
  if (!isAsExpected(connection)) return { publish: publishByAmqplib }
  readDeliveries(connection)
  return writePublications(connection)
}

function isAsExpected({ rest, recvFrame, sendMethod, channels, accept, stream }: Connection): boolean {
  const functions = [recvFrame, sendMethod, accept, stream?.read].every((one) => typeof one === 'function')
  return functions && Buffer.isBuffer(rest) && Array.isArray(channels)
}

function publishByAmqplib(channel: ConfirmChannel, to: Publication, body: Buffer, onConfirm: OnConfirm): boolean {
  return channel.publish(to.exchange, to.routingKey, body, to.properties as Options.Publish, onConfirm)
}

function readDeliveries(connection: Connection): void {
  const reader = createDeliveryReader(connection)
  const gatherer = createGatherer()
  const recvFrame = connection.recvFrame.bind(connection)
  /** What takes frames while the connection is open; another function does when it is closing. */
  const whileOpen = connection.accept
  /** Up to where `rest` has been read. */
  let offset = 0

  connection.recvFrame = function receive(): unknown {
    for (;;) {
      while (connection.accept === whileOpen && reader.read(connection.rest, offset)) {
        const channel = connection.channels[reader.channel]?.channel
        // A channel that is closing has an `accept` of its own, which ignores them.
        if (!channel || Object.hasOwn(channel, 'accept')) break
        offset = reader.end
        dispatch(channel, reader.message)
      }
      const isPartial = connection.accept === whileOpen && reader.isPartial
      if (offset > 0) {
        connection.rest = connection.rest.subarray(offset)
        offset = 0
      }
      const kept = gatherer.take()
      if (kept) {
        connection.rest = connection.rest.length > 0 ? Buffer.concat([connection.rest, kept]) : kept
        continue
      }
      // One of the other frames; or it reads on, and comes back here.
      if (!isPartial) return recvFrame()
      const next = connection.stream.read()
      if (!next) return false
      connection.recvSinceLastCheck = true
      connection.rest = gatherer.join(connection.rest, next, reader.whole)
    }
  }
}

// As amqplib does it.
function dispatch(channel: Channel, message: unknown): void {
  try {
    channel.emit('delivery', message)
  } catch (error) {
    if (channel.listenerCount('handler-error') === 0) throw error
    setImmediate(() => channel.emit('handler-error', error, 'delivery'))
  }
}

function writePublications(connection: Connection): Wire {
  let slab = Buffer.allocUnsafeSlow(SLAB)
  /** What is written in the slab but not sent is from here to there, and of this channel. */
  let [start, end, channelOf] = [0, 0, 0]
  let isScheduled = false

  // What goes out by other ways goes after what was published before it.
  const sendMethod = connection.sendMethod.bind(connection)
  connection.sendMethod = function sendInOrder(channel, method, fields) {
    if (channel === channelOf) flush()
    return sendMethod(channel, method, fields)
  }

  function flush(): void {
    isScheduled = false
    const pending = end > start ? slab.subarray(start, end) : undefined
    start = end
    if (pending) connection.channels[channelOf]?.buffer.write(pending)
  }

  function makeRoom(octets: number): void {
    if (end + octets <= slab.length) return
    flush()
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB, octets))
    start = end = 0
  }

  function publish(to: ConfirmChannel, publication: Publication, body: Buffer, onConfirm: OnConfirm): boolean {
    const channel = to as unknown as Channel
    const { ch } = channel
    if (ch !== channelOf) {
      flush()
      channelOf = ch
    }
    const isLarge = body.length > LARGE
    const room = roomFor(publication)
    const isOpen = !Object.hasOwn(channel, 'sendMessage') && !Object.hasOwn(connection, 'sendMessage')
    // Headers that are so large are amqplib's to refuse.
    const fits = body.length <= connection.frameMax - FRAME_OVERHEAD && room <= SLAB / 2
    if (fits) makeRoom(room + (isLarge ? 0 : body.length) + FRAME_OVERHEAD)
    const head = isOpen && fits ? writePublish(slab, end, ch, publication, body.length) : 0
    if (head === 0) {
      flush()
      return publishByAmqplib(to, publication, body, onConfirm)
    }
    end = head
    if (isLarge) {
      flush()
      connection.channels[ch]?.buffer.write(body)
    } else end += body.copy(slab, end)
    if (body.length > 0) slab[end++] = FRAME_END
    channel.pushConfirmCallback(onConfirm)
    connection.sentSinceLastCheck = true
    if (!isScheduled) {
      isScheduled = true
      process.nextTick(flush)
    }
    return !connection.channels[ch]?.buffer.writableNeedDrain
  }

  return { publish }
}
