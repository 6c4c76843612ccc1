import {
  type AmqplibConfirmChannel,
  beforeEachMethod,
  type ChannelModel,
  channelOf,
  type InnerConnection,
  innerChannel,
  insideOf,
  type OnConfirm,
  type Options,
  type Outlet,
  outletOf,
  published,
  readFirst,
} from '../../amqp/amqplib-inside.ts'
import { FRAME_END, FRAME_OVERHEAD } from './constants.ts'
import { createGatherer } from './gather.ts'
import { createDeliveryReader } from './read-delivery.ts'
import { type Publication, roomFor, writePublish } from './write-publish.ts'
import { mostProperties, rawOf, writeRaw } from './write-raw.ts'

/** The frames of messages, both ways, at a fraction of what amqplib takes for them. */
export interface Wire {
  /** Octets that properties in the form of the wire may have. */
  readonly mostProperties: number
  /** As amqplib's `publish`, by which it also throws. @returns false: wait for the channel's `drain` */
  publish(channel: AmqplibConfirmChannel, publication: Publication, body: Buffer, onConfirm: OnConfirm): boolean
}

/** Octets of messages that go to the socket in one piece. */
const SLAB = 64 * 1024
/** Octets from which on a message is written in a piece of its own. */
const LARGE = SLAB / 2

/**
 * Takes over reading deliveries and writing publications on a connection. amqplib makes twenty objects for each message,
 * and writes each by itself; that was the larger part of what a message cost.
 */
export function openWire(model: ChannelModel): Wire {
  const connection = insideOf(model)
  if (!connection) return { publish: publishByAmqplib, mostProperties: 0 }
  readDeliveries(connection)
  return writePublications(connection)
}

function publishByAmqplib(
  channel: AmqplibConfirmChannel,
  to: Publication,
  body: Buffer,
  onConfirm: OnConfirm,
): boolean {
  return channel.publish(to.exchange, to.routingKey, body, to.properties as Options.Publish, onConfirm)
}

function readDeliveries(connection: InnerConnection): void {
  const { frameMax } = connection
  const reader = createDeliveryReader({ frameMax, channelOf: (number) => channelOf(connection, number) })
  const { join, take: takeRest } = createGatherer()
  const intake = Object.assign(reader, {
    join: (rest: Buffer, next: Buffer) => join(rest, next, reader.whole),
    takeRest,
  })
  readFirst(connection, intake)
}

function writePublications(connection: InnerConnection): Wire {
  let slab = Buffer.allocUnsafeSlow(SLAB)
  /** What is written in the slab but not sent is from here to there, for this channel. */
  let [start, end] = [0, 0]
  let to: AmqplibConfirmChannel | undefined
  let number = 0
  let isScheduled = false

  // What goes out by other ways goes after what was published before it.
  beforeEachMethod(connection, (channel) => {
    if (channel === number) flush()
  })

  function flush(): void {
    isScheduled = false
    const pending = end > start ? slab.subarray(start, end) : undefined
    start = end
    if (pending && to) outletOf(connection, innerChannel(to))?.write(pending)
  }

  function makeRoom(octets: number): void {
    if (end + octets <= slab.length) return
    flush()
    slab = Buffer.allocUnsafeSlow(SLAB)
    start = end = 0
  }

  function publish(
    channel: AmqplibConfirmChannel,
    publication: Publication,
    body: Buffer,
    onConfirm: OnConfirm,
  ): boolean {
    const inner = innerChannel(channel)
    if (channel !== to) {
      flush()
      to = channel
      number = inner.ch
    }
    const outlet = outletOf(connection, inner)
    const { frameMax } = connection
    // Of what has several body frames amqplib takes no correlation id that is bytes.
    const isBytes = body.length > frameMax - FRAME_OVERHEAD && typeof publication.properties.correlationId === 'object'
    const raw = publication.raw ?? (isBytes ? rawOf(publication) : undefined)
    if (outlet && raw) {
      flush()
      for (const piece of writeRaw(publication, raw, { channel: number, body, frameMax })) outlet.write(piece)
      published(connection, inner, onConfirm)
      return !outlet.writableNeedDrain
    }
    const room = roomFor(publication)
    // Headers that are so large are amqplib's to refuse.
    const isSent = outlet && room <= SLAB && writeFrames(outlet, publication, body, room + body.length + FRAME_OVERHEAD)
    if (!isSent) {
      // amqplib's turn: several body frames, rare properties, and errors. It writes each frame as one chunk, or all of them.
      flush()
      return publishByAmqplib(channel, publication, body, onConfirm)
    }
    published(connection, inner, onConfirm)
    return !outlet.writableNeedDrain
  }

  /** @returns whether they are written, or about to be */
  function writeFrames(outlet: Outlet, publication: Publication, body: Buffer, octets: number): boolean {
    if (body.length > connection.frameMax - FRAME_OVERHEAD) return false
    if (octets > LARGE) {
      flush()
      const frames = Buffer.allocUnsafeSlow(octets)
      const behind = writeMessage(frames, 0, publication, body)
      if (behind > 0) outlet.write(frames.subarray(0, behind))
      return behind > 0
    }
    makeRoom(octets)
    const behind = writeMessage(slab, end, publication, body)
    if (behind === 0) return false
    end = behind
    if (!isScheduled) {
      isScheduled = true
      process.nextTick(flush)
    }
    return true
  }

  /** @returns the offset behind its last frame; 0: there is something in it that only amqplib writes */
  function writeMessage(bytes: Buffer, at: number, publication: Publication, body: Buffer): number {
    let next = writePublish(bytes, at, number, publication, body.length)
    if (next === 0 || body.length === 0) return next
    next += body.copy(bytes, next)
    bytes[next] = FRAME_END
    return next + 1
  }

  return { publish, mostProperties: mostProperties(connection.frameMax) }
}
