import type { Socket } from 'node:net'
import {
  FRAME_BODY,
  FRAME_HEADER,
  FRAME_HEARTBEAT,
  FRAME_METHOD,
  type FrameReader,
  readFrames,
} from '../../amqp/frames.ts'
import { CodecError, decodeMethod, encodeMethod, METHOD_IDS, type Method, type MethodName } from '../../amqp/methods.ts'
import { AmqpError, type ReplyCode } from '../errors.ts'
import { type Channel, createChannel } from './channel.ts'
import type { BrokerContext, Wire } from './context.ts'
import { createHandshake, PROTOCOL_HEADER, type Session } from './handshake.ts'
import { type Heart, startHeart } from './heartbeat.ts'
import { createOutput } from './output.ts'

/** How long a client gets to answer `connection.close`. */
const CLOSE_TIMEOUT_MS = 5_000

/** Nothing is read from a connection while it has more bytes than this on their way to the disk. */
const IN_FLIGHT_MAX = 32 * 1024 * 1024

export interface Connection {
  /** The store takes nothing at the moment, or does so again. */
  onBlocked(reason: string | undefined): void
  /** Tells the client that the broker stops; resolves when the connection has ended. */
  close(): Promise<void>
}

/** Serves one client until its connection ends, whatever it sends. */
export function serveConnection(socket: Socket, context: BrokerContext, onEnd: () => void): Connection {
  const { limits, log, vhost } = context
  const owner = {}
  const channels = new Map<number, Channel>()
  /** Channels whose `channel.close` the client has not answered. */
  const closing = new Set<number>()
  const output = createOutput(socket, () => {
    resume('output')
    for (const channel of channels.values()) channel.resume()
  })
  const handshake = createHandshake(context, output.write)
  const peer = `${socket.remoteAddress}:${socket.remotePort}`
  let greeting: Buffer | undefined = Buffer.alloc(0)
  let session: Session | undefined
  let isClosing = false
  let heart: Heart | undefined
  let current: { channel: number; name: MethodName } | undefined
  const holds = new Set<string>()
  let inFlight = 0
  let hasPublished = false
  let toldBlocked = false

  const reader: FrameReader = readFrames(limits.frameMax, onFrame)
  const patience = setTimeout(() => socket.destroy(), limits.handshakeTimeout).unref()
  socket.setNoDelay(true)
  socket.on('data', onData)
  socket.on('error', (error) => log.debug({ peer, err: error }, 'connection lost'))
  // Half-open connections are of no use: the other side has gone.
  socket.on('end', () => socket.destroy())
  socket.once('close', onClose)

  const wire: Wire = {
    context,
    owner,
    get user() {
      return session?.user ?? ''
    },
    get frameMax() {
      return session?.frameMax ?? limits.frameMax
    },
    can: (capability) => session?.capabilities[capability] === true,
    write: (frame) => {
      if (!isClosing) output.write(frame)
    },
    beforeFlush: output.beforeFlush,
    isFull: () => isClosing || output.isFull(),
    hold(until) {
      pause('change')
      // A store that fails ends the broker, and this with it.
      until.then(() => resume('change')).catch(() => {})
    },
    addInFlight(bytes) {
      inFlight += bytes
      if (inFlight > IN_FLIGHT_MAX) pause('disk')
      else if (holds.has('disk') && inFlight < IN_FLIGHT_MAX / 2) resume('disk')
    },
  }

  function onData(chunk: Buffer): void {
    heart?.onReceived()
    try {
      reader.push(greeting ? greet(chunk) : chunk)
      if (output.isStuffed()) pause('output')
    } catch (error) {
      fail(error)
    }
  }

  /** Checks the protocol header, and returns what came behind it. */
  function greet(chunk: Buffer): Buffer {
    greeting = Buffer.concat([greeting as Buffer, chunk])
    const length = Math.min(greeting.length, PROTOCOL_HEADER.length)
    if (!greeting.subarray(0, length).equals(PROTOCOL_HEADER.subarray(0, length))) {
      // What the specification asks for: the version that is spoken here, and the end.
      socket.end(PROTOCOL_HEADER)
      socket.off('data', onData)
      return Buffer.alloc(0)
    }
    if (greeting.length < PROTOCOL_HEADER.length) return Buffer.alloc(0)
    const rest = greeting.subarray(PROTOCOL_HEADER.length)
    greeting = undefined
    handshake.start()
    return rest
  }

  function onFrame(type: number, number: number, payload: Buffer): void {
    if (type === FRAME_HEARTBEAT) return
    current = undefined
    if (type === FRAME_METHOD) {
      const method = decodeMethod(payload)
      current = { channel: number, name: method.name }
      if (number === 0) onConnectionMethod(method)
      else if (!isClosing) onChannelMethod(number, method)
      return
    }
    if (isClosing || closing.has(number)) return
    const channel = channels.get(number)
    if (!channel || (type !== FRAME_HEADER && type !== FRAME_BODY))
      throw new AmqpError(505, `unexpected frame of type ${type}`)
    current = { channel: number, name: 'basic.publish' }
    attempt(number, () => (type === FRAME_HEADER ? channel.onHeader(payload) : channel.onBody(payload)))
  }

  function onConnectionMethod(method: Method): void {
    if (method.name === 'connection.close') {
      isClosing = true
      output.write(encodeMethod(0, { name: 'connection.close-ok' }))
      output.end()
      return
    }
    if (isClosing) return void (method.name === 'connection.close-ok' && output.end())
    if (!session) {
      session = handshake.onMethod(method)
      if (session) onOpen(session)
    } else if (method.name === 'connection.update-secret') {
      // Secrets that expire are not known here; the client may send one nevertheless.
      output.write(encodeMethod(0, { name: 'connection.update-secret-ok' }))
    } else throw new AmqpError(504, 'unexpected method in connection state running')
  }

  function onOpen({ frameMax, heartbeat }: Session): void {
    clearTimeout(patience)
    reader.setFrameMax(frameMax)
    heart = startHeart(socket, heartbeat, output, () => holds.size > 0)
  }

  function onChannelMethod(number: number, method: Method): void {
    if (!session) throw new AmqpError(503, `unexpected method on channel ${number} before the connection is open`)
    if (closing.has(number)) {
      if (method.name === 'channel.close') output.write(encodeMethod(number, { name: 'channel.close-ok' }))
      if (method.name === 'channel.close' || method.name === 'channel.close-ok') closing.delete(number)
      return
    }
    const channel = channels.get(number)
    if (method.name === 'channel.open') {
      if (channel) throw new AmqpError(504, "second 'channel.open' seen")
      if (number > session.channelMax)
        throw new AmqpError(530, `channel ${number} is over the negotiated maximum of ${session.channelMax}`)
      channels.set(number, createChannel(number, wire))
      output.write(encodeMethod(number, { name: 'channel.open-ok' }))
      return
    }
    if (!channel) throw new AmqpError(504, "expected 'channel.open'")
    if (method.name === 'channel.close') {
      endChannel(number)
      output.write(encodeMethod(number, { name: 'channel.close-ok' }))
      return
    }
    if (method.name === 'basic.publish') onPublish()
    attempt(number, () => channel.onMethod(method))
  }

  function onPublish(): void {
    hasPublished = true
    const reason = context.blockedReason()
    if (reason !== undefined) block(reason)
  }

  function block(reason: string): void {
    pause('blocked')
    if (toldBlocked || !wire.can('connection.blocked')) return
    toldBlocked = true
    output.write(encodeMethod(0, { name: 'connection.blocked', reason }))
  }

  /** Lets an error that is the channel's own end that channel alone. */
  function attempt(number: number, action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!(error instanceof AmqpError) || error.endsConnection) throw error
      endChannel(number)
      closing.add(number)
      output.write(encodeMethod(number, { name: 'channel.close', ...reasonOf(error) }))
    }
  }

  function endChannel(number: number): void {
    const channel = channels.get(number)
    channels.delete(number)
    channel?.close()
  }

  function reasonOf(error: AmqpError): { replyCode: number; replyText: string; classId: number; methodId: number } {
    const name = error.method ?? current?.name
    const [classId, methodId] = name ? METHOD_IDS[name] : [0, 0]
    return { replyCode: error.code, replyText: error.replyText, classId, methodId }
  }

  /** Ends the connection for what its client sent, or for a fault of ours, which costs nobody else. */
  function fail(error: unknown): void {
    if (isClosing) return void socket.destroy()
    const known = error instanceof AmqpError || error instanceof CodecError
    if (!known) log.error({ peer, err: error }, 'a fault in the broker ended a connection')
    else log.warn({ peer, reason: error.message }, 'connection closed for what its client sent')
    const reason =
      error instanceof CodecError
        ? {
            ...reasonOf(new AmqpError(error.code as ReplyCode, error.message)),
            classId: error.classId,
            methodId: error.methodId,
          }
        : reasonOf(known ? (error as AmqpError) : new AmqpError(541, 'a fault in the broker'))
    if (!session && !(error instanceof AmqpError)) return void socket.destroy()
    shut(reason)
  }

  function shut(reason: { replyCode: number; replyText: string; classId: number; methodId: number }): void {
    output.write(encodeMethod(0, { name: 'connection.close', ...reason }))
    isClosing = true
    releaseAll()
    const impatience = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref()
    socket.once('close', () => clearTimeout(impatience))
  }

  function releaseAll(): void {
    for (const number of [...channels.keys()]) endChannel(number)
    vhost.release(owner)
  }

  function onClose(): void {
    clearTimeout(patience)
    heart?.stop()
    isClosing = true
    releaseAll()
    onEnd()
  }

  function pause(why: string): void {
    if (holds.size === 0) {
      reader.pause()
      socket.pause()
    }
    holds.add(why)
  }

  function resume(why: string): void {
    if (!holds.delete(why) || holds.size > 0 || socket.destroyed) return
    socket.resume()
    try {
      reader.resume()
    } catch (error) {
      fail(error)
    }
  }

  return {
    onBlocked(reason) {
      if (reason !== undefined) return void (hasPublished && block(reason))
      if (toldBlocked) output.write(encodeMethod(0, { name: 'connection.unblocked' }))
      toldBlocked = false
      resume('blocked')
    },

    async close() {
      if (socket.destroyed) return
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      if (session && !isClosing)
        shut(reasonOf(new AmqpError(320, "broker forced connection closure with reason 'shutdown'")))
      else socket.destroy()
      // A paused socket would not see the client's answer.
      for (const why of [...holds]) resume(why)
      await ended
    },
  }
}
