import type { Socket } from 'node:net'
import { FRAME_HEARTBEAT, FRAME_METHOD, readFrames } from '../../amqp/frames.ts'
import { CodecError, decodeMethod, encodeMethod, type Method, type MethodName } from '../../amqp/methods.ts'
import type { Door } from '../admission.ts'
import { AmqpError } from '../errors.ts'
import { guarded, later } from '../guard.ts'
import { createBlocking } from './blocking.ts'
import { type Channels, createChannels } from './channels.ts'
import { answerClose, type CloseReason, closeReason, connectionCloseReason, sendClose } from './closing.ts'
import type { BrokerContext, Wire } from './context.ts'
import { createFlow } from './flow.ts'
import { type Greeting, PROTOCOL_HEADER, readGreeting } from './greeting.ts'
import { createHandshake, LoginRefused, type Session } from './handshake.ts'
import { type Heart, startHeart } from './heartbeat.ts'
import { createOutbox } from './outbox.ts'
import { createOutput } from './output.ts'
import { createWork } from './work.ts'

/** Bytes of a frame before its client has logged in, as RabbitMQ's `initial_frame_max`. */
const INITIAL_FRAME_MAX = 8_192

export interface Connection {
  /** The store takes nothing at the moment, or does so again. */
  onBlocked(reason: string | undefined): void
  /** Tells the client that the broker stops; resolves when the connection has ended. */
  close(): Promise<void>
}

/** Serves one client until its connection ends, whatever it sends. */
export function serveConnection(socket: Socket, context: BrokerContext, door: Door, onEnd: () => void): Connection {
  const { limits, log, vhost } = context
  const owner = {}
  const peer = socket.remoteAddress === undefined ? 'local' : `${socket.remoteAddress}:${socket.remotePort}`
  const output = createOutput(socket, {
    unread: context.unread,
    unreadMax: limits.unreadMax,
    stallTimeout: limits.stallTimeout,
    onStuffed: () => flow.pause('output'),
    onDrain() {
      flow.resume('output')
      channels?.resume()
    },
    onFault: fail,
    onStall: () => log.warn({ peer }, 'connection ended: replies wait for its client, which does not read them'),
  })
  const unfinished = context.unfinished.open(fail)
  const work = createWork(context.prompt)
  const outbox = createOutbox({
    write: output.write,
    onFull: () => flow.pause('answers'),
    onEmpty() {
      flow.resume('answers')
      channels?.resume()
    },
  })
  const handshake = createHandshake(context, { write: output.write, admit: () => door.admit(socket) })
  const reader = readFrames(INITIAL_FRAME_MAX, onFrame)
  const flow = createFlow(socket, reader, { inFlightMax: limits.inFlightMax, turns: context.turns, fail })
  let greeting: Greeting | undefined = readGreeting()
  let session: Session | undefined
  let channels: Channels | undefined
  let isClosing = false
  /** The client has asked for the end, and gets one answer. */
  let isLeaving = false
  /** How much work it waits for. */
  let held = 0
  let heart: Heart | undefined
  /** The method that is being handled, for the error that it causes. */
  let handled: MethodName | undefined

  let penalty: NodeJS.Timeout | undefined

  door.enter(socket)
  const patience = later(limits.handshakeTimeout, fail, () => void socket.destroy())
  socket.setNoDelay(true)
  socket.on('data', onData)
  socket.on('error', (error) => log.debug({ peer, err: error }, 'connection lost'))
  // Half-open connections are of no use: the other side has gone.
  socket.on('end', () => socket.destroy())
  socket.once('close', guarded(fault, onClose))

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
      if (!isClosing) outbox.write(frame)
    },
    beforeFlush: output.beforeFlush,
    isFull: () => isClosing || output.isFull() || outbox.isFull(),
    isStuffed: output.isStuffed,
    whenRoom: output.whenRoom,
    hold(until) {
      held++
      flow.pause('work')
      until.catch(fail).then(() => --held === 0 && flow.resume('work'))
    },
    work: work.run,
    reserve: outbox.reserve,
    addInFlight: flow.addInFlight,
    onHandedOut: () => blocking.onHandedOut(),
    addUnfinished: unfinished.add,
    fail,
  }
  const blocking = createBlocking(wire, flow)

  function onData(chunk: Buffer): void {
    heart?.onReceived()
    try {
      const bytes = greeting ? greet(greeting, chunk) : chunk
      if (!bytes) return
      flow.onChunk()
      reader.push(bytes)
    } catch (error) {
      fail(error)
    }
  }

  /** Checks the protocol header, and returns what came behind it. */
  function greet(header: Greeting, chunk: Buffer): Buffer | undefined {
    const rest = header.push(chunk)
    if (rest === 'refused') {
      // What the specification asks for: the version that is spoken here, and the end.
      socket.end(PROTOCOL_HEADER)
      socket.off('data', onData)
      return undefined
    }
    if (!rest) return undefined
    greeting = undefined
    handshake.start()
    return rest
  }

  function onFrame(type: number, number: number, payload: Buffer): void {
    if (type === FRAME_HEARTBEAT) return
    flow.onFrame()
    handled = undefined
    if (type === FRAME_METHOD) {
      const method = decodeMethod(payload)
      handled = method.name
      if (number === 0) onConnectionMethod(method)
      else if (!isClosing) onChannelMethod(number, method)
    } else if (!isClosing) {
      if (!channels?.has(number)) throw new AmqpError(505, `unexpected frame of type ${type}`)
      handled = 'basic.publish'
      channels.onContent(type, number, payload)
    }
  }

  function onConnectionMethod(method: Method): void {
    if (method.name === 'connection.close') {
      if (isLeaving) return
      // It may have crossed the broker's own, which is to be answered all the same.
      if (isClosing) output.write(encodeMethod(0, { name: 'connection.close-ok' }))
      else leave()
      return
    }
    if (isClosing) return void (method.name === 'connection.close-ok' && output.end())
    if (!session) {
      const opened = handshake.onMethod(method)
      if (opened) onOpen(opened)
    } else if (method.name === 'connection.update-secret') {
      // Secrets that expire are not known here; the client may send one nevertheless.
      output.write(encodeMethod(0, { name: 'connection.update-secret-ok' }))
    } else throw new AmqpError(504, 'unexpected method in connection state running')
  }

  function onOpen(opened: Session): void {
    const { frameMax, channelMax, heartbeat } = opened
    session = opened
    channels = createChannels({ wire, channelMax, onPublish: blocking.onPublish })
    clearTimeout(patience)
    reader.setFrameMax(frameMax)
    heart = startHeart(socket, heartbeat, output, () => flow.isHeld, fail)
  }

  function onChannelMethod(number: number, method: Method): void {
    if (!channels) throw new AmqpError(503, `unexpected method on channel ${number} before the connection is open`)
    channels.onMethod(number, method)
  }

  /** The client is going: its answer says that everything of it has been given back. */
  function leave(): void {
    isClosing = true
    isLeaving = true
    flow.release()
    answerClose(socket, output, outbox, releaseAll())
  }

  /** Ends the connection for what its client sent, or for a fault of ours, which costs nobody else. */
  function fail(error: unknown): void {
    const known = error instanceof AmqpError || error instanceof CodecError
    if (!known) fault(error)
    // What comes behind the end is dropped.
    if (isClosing) return
    if (error instanceof LoginRefused) return void refuseLate(error)
    if (known) log.warn({ peer, reason: error.message }, 'connection closed for what its client sent')
    if (!session && !(error instanceof AmqpError)) return void socket.destroy()
    shut(connectionCloseReason(error, handled))
  }

  /** Who guesses passwords waits for each answer, and longer each time. */
  function refuseLate(error: LoginRefused): void {
    flow.pause('refused')
    penalty = later(door.refuse(peer), fault, () => shut(closeReason(error, handled)))
  }

  function fault(err: unknown): void {
    log.error({ peer, err }, 'a fault in the broker ended a connection')
  }

  function shut(reason: CloseReason): void {
    sendClose(socket, output, reason)
    isClosing = true
    outbox.close()
    // A paused socket would not see the client's answer.
    flow.release()
    releaseAll()
  }

  /** @returns a promise if it takes longer until all that the client had is given back */
  function releaseAll(): Promise<unknown> | undefined {
    const closed = channels?.closeAll()
    function* release(): Generator<void> {
      try {
        if (closed) yield* closed
        yield* vhost.release(owner)
      } catch (error) {
        fault(error)
      }
    }
    const released = work.run(release())
    return released instanceof Promise ? released : undefined
  }

  function onClose(): void {
    clearTimeout(patience)
    clearTimeout(penalty)
    heart?.stop()
    isClosing = true
    releaseAll()
    unfinished.close()
    door.leave(socket)
    onEnd()
  }

  return {
    onBlocked: guarded(fail, blocking.onBlocked),

    async close() {
      if (socket.destroyed) return
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      const error = new AmqpError(320, "broker forced connection closure with reason 'shutdown'")
      if (session && !isClosing) shut(closeReason(error, handled))
      else socket.destroy()
      await ended
    },
  }
}
