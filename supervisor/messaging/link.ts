import type { Socket } from 'node:net'
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { ServerProperties } from './consumer-timeout.ts'
import { corkEachTurn } from './cork.ts'
import { openWire, type Wire } from './wire/wire.ts'

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
  /** What publishes on this link's channels. */
  readonly wire: Wire
  /** Settles as the work does, or rejects when the link is lost: amqplib leaves some calls unanswered then. */
  orLost<T>(work: Promise<T>): Promise<T>
  /** Opens a channel whose unexpected end is the end of the link: what was on it must be built anew anyway. */
  channel(): Promise<Channel>
  confirmChannel(): Promise<ConfirmChannel>
  /** Opens a channel whose end is its own: `onEnd` is told of it. For questions that the broker may answer by it. */
  looseChannel(onEnd: () => void): Promise<Channel>
  /** Runs `use` on a channel that may fail alone, as a refused declaration makes it, and closes it. */
  withChannel<T>(use: (channel: Channel) => Promise<T>): Promise<T>
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
  const model = await connect(withHeartbeat(url), {
    timeout: CONNECT_TIMEOUT,
    noDelay: true,
    clientProperties: { connection_name: name, product: 'warren' },
  })
  corkEachTurn(socketOf(model))
  const wire = openWire(model)
  const lost = new AbortController()
  const channels = new Set<Channel>()
  let closing = false
  /** Of the work that is under way; a race against one long promise would keep a reaction for each piece for ever. */
  const rejects = new Set<(reason: unknown) => void>()

  function orLost<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (lost.signal.aborted) reject(lost.signal.reason)
      else rejects.add(reject)
      const settle = () => rejects.delete(reject)
      work.then(settle, settle)
      work.then(resolve, reject)
    })
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
    socketOf(model).destroy(error)
  }

  async function open<C extends Channel>(opening: Promise<C>): Promise<C> {
    lost.signal.throwIfAborted()
    const channel = await orLost(opening)
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

  return {
    lost: lost.signal,
    server: (model.connection as unknown as { serverProperties: ServerProperties }).serverProperties,
    wire,
    orLost,
    channel: () => open(model.createChannel()),
    confirmChannel: () => open(model.createConfirmChannel({ highWaterMark: MAX_BUFFERED_PIECES })),
    async looseChannel(onEnd) {
      lost.signal.throwIfAborted()
      const channel = await orLost(model.createChannel())
      channel.on('error', () => {})
      channel.on('close', onEnd)
      return channel
    },
    async withChannel(use) {
      lost.signal.throwIfAborted()
      const channel = await orLost(model.createChannel())
      let refused: Error | undefined
      channel.on('error', (error) => {
        refused = error
      })
      try {
        const result = await orLost(use(channel))
        await orLost(channel.close())
        return result
      } catch (error) {
        // The channel's own error says why; the failed call may only say that the channel has ended.
        throw refused ?? error
      }
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

function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT))
  return parsed.href
}

// amqplib keeps its socket to itself, and offers no other way to let go of a peer that does not answer.
function socketOf(model: ChannelModel): Socket {
  return (model.connection as unknown as { stream: Socket }).stream
}
