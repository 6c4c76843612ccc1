import { randomUUID } from 'node:crypto'
import { aborted } from '../base/aborted.ts'
import type { Bus } from '../base/bus.ts'
import { createBus } from '../base/create-bus.ts'
import type { WorkerPlace } from '../base/dead-letters.ts'
import { BrokerUnavailableError, MessageTooLargeError, reasonOf } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import {
  ATTEMPT_HEADER,
  type Envelope,
  ERROR_HEADER,
  type Headers,
  type Incoming,
  type Transport,
} from '../base/message.ts'
import { createCalls, REPLY_TO } from './calls.ts'
import { headersOfNextLife } from './dead-letter.ts'
import { createDeclarations } from './declarations.ts'
import { delayTopology, retryRoute } from './delay.ts'
import { createDenials, noteDeniedPublish, publishingTo } from './denials.ts'
import { changesOf, createForwarder, type Forwarded, type Forwarder } from './forward.ts'
import type { Link } from './link.ts'
import type { PublishingChannel } from './link-channel.ts'
import { createPublisher, type Outgoing } from './publisher.ts'
import { compactRegistry } from './read-registry.ts'
import { createRegistry } from './registry.ts'
import { entryOfAddress, entryOfWorker } from './registry-entries.ts'
import { createReplyAddresses } from './reply-addresses.ts'
import { createRoutes, describe, dueIn, outgoing, type Route } from './route.ts'
import { openSession, type SessionState } from './session.ts'
import { addressTopology, deadLetterTopology, workerTopology } from './topology.ts'

/** RabbitMQ 4's default `max_message_size`; a larger message costs the channel there. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** What errors call the delay network. */
const DELAYS = 'the queues of delayed messages'

export interface ClientOptions {
  urls: readonly string[]
  /** The process's name, shown in logs and in the broker's list of connections. */
  name: string
  /** The project that the broker's virtual host belongs to; without one nothing is noted in its registry. */
  project?: string
  log: Logger
}

/** See `Client.retry`. */
type RetryOptions = { delayMs: number; bare: boolean; asSuspect?: boolean }

/** A process's way to send: one session for all that it publishes. */
export interface Client {
  readonly state: SessionState
  /** A permission that the broker has refused to a send and not granted since, in a sentence. */
  readonly denied: string | undefined
  onState(listener: (state: SessionState) => void): void
  /** A bus whose messages carry the request's id. */
  bus(headers?: { requestId?: string | undefined }): Bus
  /** What a bus in a thread sends its messages through. */
  readonly transport: Transport
  /** Notes in the project's registry what a worker consumes. */
  register(worker: WorkerPlace): void
  /** Makes the delay network ready on the present connection, before the first retry needs it. */
  prepareRetries(): void
  /**
   * Sends a message once more to the queue that it came from, and to no other, after a delay.
   * @param options.delayMs milliseconds
   * @param options.bare without the headers that it came with: all headers together have 64 KiB
   * @param options.asSuspect to the suspects of that queue
   */
  retry(incoming: Incoming, headers: Headers, options: RetryOptions): Promise<void>
  /** Moves a message to its queue of suspects, as it came. */
  isolate(incoming: Incoming, options: { bare: boolean }): Promise<void>
  /**
   * Moves a message to its queue of dead letters, as it came but for the headers that are added.
   * @param options.bare without the headers that it came with: all headers together have 64 KiB
   */
  deadLetter(incoming: Incoming, headers: Headers, options: { bare: boolean }): Promise<void>
  /** Sends a dead letter to a worker's queue, and to no other, as if it had never been tried. */
  redrive(letter: Forwarded, to: WorkerPlace & { queue: string }): Promise<void>
  /** Answers a call; whoever called may have gone. Only where a caller may ask for it: see reply-addresses.ts. */
  reply(to: NonNullable<Incoming['reply']>, body: Buffer, errorName?: string): Promise<void>
  /** Waits for the confirms of what was sent, until the deadline, and closes. */
  close(deadline?: AbortSignal): Promise<void>
}

/** Connects in the background, and for as long as it takes; meanwhile, sending rejects at once. */
export function openClient({ urls, name, project, log }: ClientOptions): Client {
  const listeners: ((state: SessionState) => void)[] = []
  const publisher = createPublisher(() => session.state.reason ?? session.state.status)
  const denials = createDenials(onDenial)
  const { forward: republish } = createForwarder(publisher, connected)
  const calls = createCalls()
  const replyAddresses = createReplyAddresses()
  const routes = createRoutes(forget)
  const declarations = createDeclarations(() => connected().link, denials)
  const registry =
    project === undefined ? undefined : createRegistry({ log, compact: () => compactRegistry(urls, name) })
  let current: { link: Link; channel: PublishingChannel } | undefined
  const session = openSession({ urls, name: `${name} publish`, project, log, setup, onState })

  async function setup(link: Link): Promise<void> {
    declarations.forgetAll()
    const channel = await publisher.attach(link)
    current = { link, channel }
    registry?.attach(link)
    link.lost.addEventListener('abort', () => {
      current = undefined
      calls.dropAll(reasonOf(link.lost.reason))
      noteDeniedPublish(denials, link.lost.reason, () => connected().link)
    })
  }

  function onDenial(): void {
    if (denials.reason === undefined) log.info('the broker permits what it has refused before')
    else log.warn({ reason: denials.reason }, 'the broker refuses a permission')
    for (const listener of listeners) listener(session.state)
  }

  function onState(state: SessionState): void {
    publisher.block(state.status === 'blocked' ? (state.reason ?? '') : undefined)
    if (state.status === 'ready') registry?.resume()
    for (const listener of listeners) listener(state)
  }

  function connected() {
    if (!current) throw new BrokerUnavailableError(session.state.reason ?? session.state.status)
    return current
  }

  function ensureDelays(): Promise<void> {
    return declarations.ensure(DELAYS, delayTopology)
  }

  function publish(envelope: Envelope, extra?: Partial<Outgoing['properties']>): Promise<void> {
    const route = routes.of(envelope.address)
    const { length } = envelope.body
    if (length > MAX_MESSAGE_BYTES)
      return Promise.reject(new MessageTooLargeError(route.described, length, MAX_MESSAGE_BYTES))
    const isPlain = route.declaredOn === current?.link && envelope.delayMs === 0 && denials.reason === undefined
    if (!isPlain) return declareAndPublish(envelope, route, extra)
    return publisher.publish(outgoing(envelope, route, extra))
  }

  // A sender declares what it sends to, so that a message that comes before the first worker finds a queue.
  async function declareAndPublish(
    envelope: Envelope,
    route: Route,
    extra?: Partial<Outgoing['properties']>,
  ): Promise<void> {
    const { link } = connected()
    const message = outgoing(envelope, route, extra)
    denials.check(publishingTo(message.exchange))
    await declarations.ensure(route.described, () => addressTopology(envelope.address))
    if (route.declaredOn !== link) registry?.note(entryOfAddress(envelope.address))
    route.declaredOn = link
    if (envelope.delayMs > 0) await ensureDelays()
    await publisher.publish(message)
  }

  // Somebody deleted the queue: the next message declares it again.
  function forget(route: Route): void {
    if (route.isQueue) {
      route.declaredOn = undefined
      declarations.forget(route.described)
    }
    declarations.forget(DELAYS)
  }

  const forward: Forwarder['forward'] = async (message, to, options) => {
    denials.check(publishingTo(to.exchange))
    await republish(message, to, options)
  }

  async function request(envelope: Envelope, timeoutMs: number): Promise<Uint8Array> {
    const { link, channel } = connected()
    await link.orLost(calls.listen(channel)).catch((error: unknown) => {
      throw new BrokerUnavailableError(reasonOf(link.lost.aborted ? link.lost.reason : error), { cause: error })
    })
    const correlationId = randomUUID()
    const replied = calls.reply({ correlationId, address: describe(envelope.address), timeoutMs })
    publish(envelope, { replyTo: REPLY_TO, correlationId, expiration: Math.ceil(timeoutMs) }).catch((error) =>
      calls.drop(correlationId, error),
    )
    return replied
  }

  async function reply(to: NonNullable<Incoming['reply']>, body: Buffer, errorName?: string): Promise<void> {
    const isAllowed = replyAddresses.allows(to.to, connected().link)
    if (isAllowed !== true && !(await isAllowed)) {
      const why = 'expected a direct reply-to address or an exclusive queue'
      log.warn({ replyTo: to.to.slice(0, 255), why }, 'a reply is not sent to where its caller asks for it')
      return
    }
    if (body.length > MAX_MESSAGE_BYTES) {
      const { name, message } = new MessageTooLargeError('a reply', body.length, MAX_MESSAGE_BYTES)
      return reply(to, Buffer.from(message), name)
    }
    const headers = errorName === undefined ? {} : { [ERROR_HEADER]: errorName }
    const { correlationId } = to
    const messageId = typeof correlationId === 'string' ? correlationId : randomUUID()
    const own = { messageId, correlationId, persistent: true, mandatory: false } as const
    const properties = { ...own, contentType: 'application/json', headers }
    await publisher.publish({ exchange: '', routingKey: to.to, body, properties, address: 'a caller' })
  }

  const transport: Transport = { deliver: (envelope) => publish(envelope), request }

  return {
    get state() {
      return session.state
    },
    onState(listener) {
      listeners.push(listener)
    },
    get denied() {
      return denials.reason
    },
    bus: (headers) => createBus(transport, headers),
    transport,

    register(worker) {
      registry?.note(entryOfAddress(worker.address), entryOfWorker(worker))
    },

    prepareRetries() {
      if (current)
        ensureDelays().catch((error) => log.warn({ reason: reasonOf(error) }, 'the delay network is not ready'))
    },

    async retry(incoming, headers, { delayMs, bare, asSuspect = false }) {
      if (delayMs > 0) await ensureDelays()
      const route = retryRoute(incoming, delayMs, asSuspect)
      const address = `another attempt in queue '${incoming.queue}'`
      const all = delayMs > 0 ? { ...headers, ...dueIn(delayMs) } : headers
      await forward(incoming, { ...route, address }, { headers: all, bare, topology: delayTopology })
    },

    async isolate(incoming, { bare }) {
      const { queue, suspects = queue } = incoming
      const headers = { [ATTEMPT_HEADER]: incoming.attempt }
      const topology = () => addressTopology({ kind: 'queue', name: queue })
      await forward(incoming, straightTo(suspects), { headers, bare, topology })
    },

    async deadLetter(incoming, headers, { bare }) {
      const { deadLetters } = incoming
      await forward(incoming, straightTo(deadLetters), {
        headers,
        bare,
        topology: () => [deadLetterTopology(deadLetters)],
      })
    },

    async redrive(letter, { queue, ...worker }) {
      const { headers: before } = letter.properties
      const headers = changesOf(before, headersOfNextLife(before))
      const topology = () => workerTopology(worker.name, worker)
      await forward(letter, straightTo(queue), { headers, bare: false, topology })
    },

    reply,

    async close(deadline) {
      const written = () => Promise.all([publisher.flush(), registry?.idle()])
      if (session.state.status === 'ready') await Promise.race([written(), aborted(deadline)])
      denials.close()
      calls.dropAll('this process is stopping')
      await session.close()
    },
  }
}

/** Past all exchanges but the default one, into one queue. */
function straightTo(queue: string): Pick<Outgoing, 'exchange' | 'routingKey' | 'address'> {
  return { exchange: '', routingKey: queue, address: describe({ kind: 'queue', name: queue }) }
}
