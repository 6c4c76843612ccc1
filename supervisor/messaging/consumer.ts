import { setTimeout as delay } from 'node:timers/promises'
import type { WorkerDefinition } from '../base/definitions.ts'
import { BrokerLimitError, type StartupError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Incoming } from '../base/message.ts'
import { suspectsAtOnce } from '../base/suspects.ts'
import { timeoutProblem } from './consumer-timeout.ts'
import { declare } from './declare.ts'
import { createDeliveries, type Deliveries, type Origin } from './deliveries.ts'
import type { Link } from './link.ts'
import type { LinkChannel } from './link-channel.ts'
import { declareOwnQueue } from './own-queue.ts'
import { createRoundTrip } from './round-trip.ts'
import { openSession, type SessionState } from './session.ts'
import { deadLettersOf, suspectQueue, workerTopology, workQueue } from './topology.ts'

/** Milliseconds for the broker to answer that it delivers no more. */
const CANCEL_TIMEOUT = 2_000

/** `basic.cancel` has no field for why; the consumer timeout is one of the causes since RabbitMQ 4.3. */
const CANCELLED = 'the broker cancelled the consumer of queue'
const CANCEL_CAUSES =
  'the queue was deleted, has moved to another node, or a message was unacknowledged for longer than its consumer timeout'
export interface ConsumerOptions {
  urls: readonly string[]
  /** The worker's name; with its definition it says which queue. */
  worker: string
  /** The project that the broker's virtual host belongs to. */
  project?: string
  definition: Pick<WorkerDefinition, 'address' | 'subscription' | 'concurrency' | 'timeout'>
  log: Logger
  /** How many messages it may have at a time, until `setPrefetch` says otherwise. By default the worker's `concurrency`. */
  prefetch?: number
  /** Gets each message; must not throw. */
  onMessage: (incoming: Incoming) => void
  onState?: (state: SessionState) => void
  /** Told when this broker can't serve the worker, as long as neither changes. */
  onUnusable?: (error: StartupError) => void
}

export interface Consumer {
  readonly state: SessionState
  /** Has the broker send so many messages before it waits for acks. */
  setPrefetch(prefetch: number): void
  /** Takes no more messages; those that were delivered can still be settled. */
  quiet(): Promise<void>
  /** Resolves when the broker has got every ack that was due. */
  settled(): Promise<void>
  /** Sends the acks that are due and closes; what is not settled goes back to the queue. */
  close(): Promise<void>
}

/** Consumes a worker's queue over a session of its own, for as long as the process wants to. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const { urls, worker, project, definition, log, onMessage, onState, onUnusable } = options
  let quieted = false
  let current: Consumption[] = []
  let { prefetch = definition.concurrency } = options
  const session = openSession({ urls, name: `${worker} consume`, project, log, setup, ...(onState && { onState }) })

  async function setup(link: Link): Promise<void> {
    current = []
    checkTimeout(link)
    await declare(link, workerTopology(worker, definition))
    if (quieted) return
    const shared = workQueue(worker, definition)
    const deadLetters = deadLettersOf(worker, definition)
    const suspects = shared && suspectQueue(shared)
    const { address } = definition
    const answers = address.kind === 'queue' && address.result !== undefined
    const from = { deadLetters, suspects, isSuspect: false, answers }
    const queue = shared ?? (await declareOwnQueue(link, definition.address.name))
    const main = await consume(link, { ...from, queue }, prefetch)
    current.push(main)
    // It may have changed meanwhile.
    main.setPrefetch(prefetch)
    const apart = { ...from, queue: shared as string, isSuspect: true }
    if (suspects) current.push(await consume(link, apart, suspectsAtOnce(definition.concurrency)))
    if (quieted) await Promise.all(current.map(({ cancel }) => cancel()))
  }

  async function consume(link: Link, from: Origin, prefetch: number): Promise<Consumption> {
    const queue = from.isSuspect ? (from.suspects as string) : from.queue
    const subscribers: Subscriber[] = []
    let latest = await subscribe(prefetch)
    let wanted = prefetch
    /** One change after the other. */
    let changing: Promise<unknown> = Promise.resolve()

    async function subscribe(prefetch: number): Promise<Subscriber> {
      const free = subscribers.find(({ tag, deliveries }) => tag === undefined && deliveries.isEmpty)
      const subscriber = free ?? (await openSubscriber())
      const { channel, deliveries } = subscriber
      subscriber.prefetch = prefetch
      deliveries.resize({ prefetch, concurrency: definition.concurrency })
      await channel.prefetch(prefetch)
      const { consumerTag } = await channel.consume(queue, function onDelivery(message) {
        // Start over, which declares the queue again.
        if (!message) return link.fail(new Error(`${CANCELLED} '${queue}': ${CANCEL_CAUSES}`))
        const incoming = deliveries.receive(message)
        if (subscriber.kept) subscriber.kept.push(incoming)
        else onMessage(incoming)
      })
      subscriber.tag = consumerTag
      return subscriber
    }

    // With a channel of its own: RabbitMQ's consumer timeout closes the channel, and a prefetch is one for all its consumers.
    // It is used again rather than closed: a quorum queue takes acks a while after the channel has, and a channel that ends
    // forgets those that have not been taken.
    async function openSubscriber(): Promise<Subscriber> {
      const channel = await link.channel()
      const held = createRoundTrip(() => roundTrip(subscriber))
      const deliveries = createDeliveries({ channel, lost: link.lost, from, held })
      const subscriber: Subscriber = { channel, deliveries, prefetch: 0, tag: undefined, kept: undefined }
      subscribers.push(subscriber)
      return subscriber
    }

    // Changes nothing; its answer comes after all that was sent before it has been taken.
    function roundTrip({ channel, prefetch }: Subscriber): Promise<unknown> {
      return link.orLost(channel.prefetch(prefetch))
    }

    function cancel(subscriber: Subscriber): Promise<unknown> {
      const { channel, tag } = subscriber
      subscriber.tag = undefined
      return tag === undefined ? Promise.resolve() : channel.cancel(tag)
    }

    // Another consumer takes its place, because two cost the broker more for each message than one. What is on its way to a
    // consumer that is cancelled RabbitMQ returns to the queue, and counts as one that came back: so nothing should be. Until
    // the former one is full, what comes for it waits: handled and not acked, it would come twice if the process ended now.
    async function change(): Promise<void> {
      if (quieted || link.lost.aborted || latest.prefetch === wanted) return
      const former = latest
      latest = await subscribe(wanted)
      // All of them are about to be cancelled anyway.
      if (quieted) return
      const kept: Incoming[] = []
      former.kept = kept
      await former.deliveries.fill()
      former.kept = undefined
      const cancelled = cancel(former)
      former.deliveries.flush()
      for (const incoming of kept) onMessage(incoming)
      await cancelled
    }

    return {
      cancel: () => changing.then(() => Promise.all(subscribers.map(cancel))),
      setPrefetch(next) {
        wanted = next
        changing = changing.then(change).catch(link.fail)
      },
      flush() {
        for (const { deliveries } of subscribers) deliveries.flush()
      },
      async settled() {
        await changing
        const taken = subscribers.map((subscriber) => {
          subscriber.deliveries.flush()
          return roundTrip(subscriber)
        })
        await Promise.all(taken)
      },
    }
  }

  function checkTimeout({ server }: Link): void {
    const problem = timeoutProblem(worker, definition.timeout, server)
    if (problem === undefined) return
    const error = new BrokerLimitError(problem)
    onUnusable?.(error)
    throw error
  }

  return {
    get state() {
      return session.state
    },
    setPrefetch(wanted) {
      prefetch = wanted
      // Not that of the suspects, which is the second.
      current[0]?.setPrefetch(wanted)
    },
    async quiet() {
      quieted = true
      // If the connection is lost now, its deliveries are void: nothing is left to be quiet about. And a broker that
      // does not answer won't be waited for: what still comes is given back.
      const cancelled = Promise.allSettled(current.map(({ cancel }) => cancel()))
      await Promise.race([cancelled, delay(CANCEL_TIMEOUT, undefined, { ref: false })])
    },
    async settled() {
      await Promise.all(current.map(({ settled }) => settled()))
    },
    async close() {
      quieted = true
      for (const { flush } of current) flush()
      await session.close()
    },
  }
}

/** A queue that is being consumed. */
interface Consumption {
  cancel(): Promise<unknown>
  setPrefetch(prefetch: number): void
  flush(): void
  settled(): Promise<void>
}

/** A channel for one consumer of it, or for one after the other. */
interface Subscriber {
  readonly channel: LinkChannel
  readonly deliveries: Deliveries
  prefetch: number
  /** The consumer's; undefined while there is none. */
  tag: string | undefined
  /** Messages that wait to be handled; undefined while none has to. */
  kept: Incoming[] | undefined
}
