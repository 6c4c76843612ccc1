import { type Channel, type ChannelModel, connect } from 'amqplib'
import { type SocketOptions, sendAtOnce, socketOf } from '../amqp/amqplib-inside.ts'
import { aborted } from '../base/aborted.ts'
import type { ServerProperties } from './consumer-timeout.ts'
import { corkEachTurn } from './cork.ts'
import { createLinkChannel, createPublishingChannel, type LinkChannel, type PublishingChannel } from './link-channel.ts'
import { createLiveness } from './liveness.ts'
import { wayTo } from './way.ts'
import { openWire } from './wire/wire.ts'

/** Milliseconds without a byte until a connection attempt is given up. */
const CONNECT_TIMEOUT = 5_000
/** Milliseconds for the broker to answer a close. */
const CLOSE_TIMEOUT = 3_000
/** Pieces, each of up to 128 KiB, that wait for the socket before a channel that publishes asks for a pause. */
const MAX_BUFFERED_PIECES = 64
/** Seconds; a silent peer is noticed after two to three of them. */
const HEARTBEAT = 10

/** One connection to the broker, from its handshake to its end. It never throws late and is lost exactly once. */
export interface Link {
  /** Aborted when the connection is gone, with the reason as an Error. */
  readonly lost: AbortSignal
  /** What the broker has said of itself. */
  readonly server: ServerProperties
  /** Settles as the work does, or rejects when the link is lost: amqplib leaves some calls unanswered then. */
  orLost<T>(work: Promise<T>): Promise<T>
  /** Opens a channel whose unexpected end is the end of the link: what was on it must be built anew anyway. */
  channel(): Promise<LinkChannel>
  confirmChannel(): Promise<PublishingChannel>
  /** Opens a channel whose end is its own: `onEnd` is told of it. For questions that the broker may answer by it. */
  looseChannel(onEnd: () => void): Promise<LinkChannel>
  /**
   * Runs `use` on a channel that may fail alone, as a refused declaration makes it, and closes it. What is called on it is
   * sent at once, whether what was called before is answered or not.
   */
  withChannel<T>(use: (channel: LinkChannel) => Promise<T>): Promise<T>
  /** The same, on one whose messages the broker confirms. */
  withConfirmChannel<T>(use: (channel: PublishingChannel) => Promise<T>): Promise<T>
  /** Finds out, within three seconds, whether the broker is still there: to be called when an answer is overdue. */
  checkAlive(): void
  /** Ends the link because of an error, unless it is being closed. */
  fail(error: Error): void
  /** Closes in order: what was sent has been handled by the broker when this resolves. */
  close(): Promise<void>
}

export interface LinkOptions {
  url: string
  /** Shown in the broker's list of connections. */
  name: string
  onBlocked?: (reason: string | undefined) => void
}

/** Connects once. */
export async function openLink({ url, name, onBlocked }: LinkOptions): Promise<Link> {
  const model = await dial(withHeartbeat(url), name, CONNECT_TIMEOUT)
  const socket = socketOf(model)
  // It came with the end of the handshake, before anybody could listen.
  if (socket.destroyed || socket.writableEnded) throw new Error('the broker closed the connection as it opened')
  corkEachTurn(socket)
  const wire = openWire(model)
  const lost = new AbortController()
  const channels = new Set<Channel>()
  let closing = false
  /** Of the work that is under way; a race against one long promise would keep a reaction for each piece for ever. */
  const rejects = new Set<(reason: unknown) => void>()

  function orLost<T>(work: Promise<T>): Promise<T> {
    const outcome = new Promise<T>((resolve, reject) => {
      if (lost.signal.aborted) reject(lost.signal.reason)
      else rejects.add(reject)
      const settle = () => rejects.delete(reject)
      work.then(settle, settle)
      work.then(resolve, reject)
    })
    // Whoever began the work may have been told of the loss in another way, and left.
    outcome.catch(() => {})
    return outcome
  }

  // Without these listeners amqplib's events are uncaught exceptions.
  model.on('error', end)
  model.on('close', (error) => end(error ?? new Error('the connection was closed')))
  model.on('blocked', (reason) => onBlocked?.(reason))
  model.on('unblocked', () => onBlocked?.(undefined))

  function end(error: Error): void {
    if (lost.signal.aborted) return
    lost.abort(error)
    for (const reject of rejects) reject(error)
    rejects.clear()
    // amqplib only half-closes: a silent peer would keep the socket, and with it the process. The error is how amqplib
    // learns of it and stops its heartbeats.
    socket.destroy(error)
  }

  // Asks for a channel only while there is a link: what amqplib rejects at once, nobody would handle.
  async function open<C extends Channel>(create: () => Promise<C>): Promise<C> {
    lost.signal.throwIfAborted()
    return orLost(create())
  }

  async function openVital<C extends Channel>(create: () => Promise<C>): Promise<C> {
    const channel = await open(create)
    channel.on('error', end)
    channel.on('handler-error', end)
    channel.on('close', () => {
      channels.delete(channel)
      // Where the whole connection closes, its channels tell first; its own event, right after, has the reason.
      if (!closing) process.nextTick(end, new Error('a channel was closed'))
    })
    channels.add(channel)
    return channel
  }

  const { check: checkAlive } = createLiveness({
    bytesRead: () => socket.bytesRead,
    ask() {
      model.createChannel().then(
        (channel) => channel.close().catch(() => {}),
        () => {},
      )
    },
    reach: (timeoutMs) => reach(url, `${name} probe`, timeoutMs),
    onDead(error) {
      if (!closing) end(error)
    },
  })

  const create = () => model.createChannel()
  const createConfirming = () => model.createConfirmChannel({ highWaterMark: MAX_BUFFERED_PIECES })

  return {
    lost: lost.signal,
    server: model.connection.serverProperties as ServerProperties,
    orLost,
    checkAlive,
    channel: () => orLost(openVital(create).then((channel) => createLinkChannel(channel, orLost))),
    confirmChannel: () =>
      orLost(openVital(createConfirming).then((channel) => createPublishingChannel(channel, wire, orLost))),
    looseChannel(onEnd) {
      return orLost(
        open(create).then((channel) => {
          channel.on('error', () => {})
          channel.on('handler-error', () => {})
          channel.on('close', onEnd)
          return createLinkChannel(channel, orLost)
        }),
      )
    },
    withChannel(use) {
      return orLost(
        open(create).then(function useAndClose(channel) {
          sendAtOnce(channel)
          return useOnce(channel, createLinkChannel(channel, orLost), use)
        }),
      )
    },
    withConfirmChannel(use) {
      return orLost(
        open(createConfirming).then((channel) => useOnce(channel, createPublishingChannel(channel, wire, orLost), use)),
      )
    },
    fail(error) {
      // While it closes, what fails was under way; what was sent before is not to be lost with it.
      if (!closing) end(error)
    },
    async close() {
      closing = true
      if (lost.signal.aborted) return
      const giveUp = setTimeout(() => end(new Error('the broker did not answer the close')), CLOSE_TIMEOUT)
      try {
        // amqplib's connection.close overtakes what waits in a channel's buffer, acks among it; channel.close does not.
        await orLost(Promise.all([...channels].map((channel) => channel.close())))
        await orLost(model.close())
      } catch {
        // It was lost meanwhile: closed all the same.
      } finally {
        clearTimeout(giveUp)
      }
      end(new Error('closed'))
    },
  }
}

/** Runs `use` on a channel that may fail alone, and closes it. */
async function useOnce<C extends LinkChannel, T>(channel: Channel, own: C, use: (own: C) => Promise<T>): Promise<T> {
  let refused: Error | undefined
  channel.on('error', (error) => {
    refused = error
  })
  channel.on('handler-error', () => {})
  try {
    const result = await use(own)
    await own.close()
    return result
  } catch (error) {
    // If it is still open, it would be for as long as the link, which has only so many.
    own.close().catch(() => {})
    // The channel's own error says why; the failed call may only say that the channel has ended.
    throw refused ?? error
  }
}

function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT))
  return parsed.href
}

async function dial(url: string, name: string, timeout: number): Promise<ChannelModel> {
  const { address, socket } = wayTo(url)
  const options: SocketOptions = { ...socket, timeout, noDelay: true }
  return connect(address, { ...options, clientProperties: { connection_name: name, product: 'warren' } })
}

/** Whether a broker answers a new connection. */
async function reach(url: string, name: string, timeoutMs: number): Promise<void> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  const connecting = dial(url, name, timeoutMs)
  // Whenever it comes, nobody wants to keep it.
  connecting
    .then((model) => {
      model.on('error', () => {})
      return model.close()
    })
    .catch(() => {})
  try {
    await Promise.race([connecting, aborted(late.signal).then(() => Promise.reject(late.signal.reason))])
  } finally {
    clearTimeout(timer)
  }
}
