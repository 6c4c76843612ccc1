import { setTimeout as delay } from 'node:timers/promises'
import { type Channel, type ConsumeMessage, IllegalOperationError } from 'amqplib'
import type { WorkerDefinition } from '../base/definitions.ts'
import { BrokerLimitError, type StartupError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { ATTEMPT_HEADER, DELIVERY_COUNT_HEADER, type Incoming, REQUEST_ID_HEADER } from '../base/message.ts'
import { uuidv7 } from '../base/uuid.ts'
import { createAckWindow } from './ack-window.ts'
import { CONSUMER_TIMEOUT_ARGUMENT, longestTimeout } from './consumer-timeout.ts'
import { declare, declareOn } from './declare.ts'
import { deliveryBinding } from './delay.ts'
import type { Link } from './link.ts'
import { openSession, type SessionState } from './session.ts'
import { deadLettersOf, subscriptionBindings, suspectQueue, workerTopology, workQueue } from './topology.ts'

/** Milliseconds for the broker to answer that it delivers no more. */
const CANCEL_TIMEOUT = 2_000

export interface ConsumerOptions {
  urls: readonly string[]
  /** The worker's name; with its definition it says which queue. */
  worker: string
  definition: Pick<WorkerDefinition, 'address' | 'subscription' | 'concurrency' | 'timeout'>
  log: Logger
  /** Gets each message; must not throw. */
  onMessage: (incoming: Incoming) => void
  onState?: (state: SessionState) => void
  /** Told when this broker can't serve the worker, as long as neither changes. */
  onUnusable?: (error: StartupError) => void
}

export interface Consumer {
  readonly state: SessionState
  /** Has the broker send so many messages before it waits for acks. Until then it is the worker's `concurrency`. */
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
  const { urls, worker, definition, log, onMessage, onState, onUnusable } = options
  let quieted = false
  let current: Consumption[] = []
  let prefetch = definition.concurrency
  const session = openSession({ urls, name: `${worker} consume`, log, setup, ...(onState && { onState }) })

  async function setup(link: Link): Promise<void> {
    current = []
    checkTimeout(link)
    await declare(link, workerTopology(worker, definition))
    if (quieted) return
    const shared = workQueue(worker, definition)
    const deadLetters = deadLettersOf(worker, definition)
    const suspects = shared && suspectQueue(shared)
    const from = { deadLetters, suspects, isSuspect: false }
    // A channel for each: RabbitMQ's consumer timeout closes the channel, and a prefetch is one for all its consumers.
    const channel = await link.channel()
    const queue = shared ?? (await ownQueue(channel))
    const main = await consume(link, channel, { ...from, queue }, definition.concurrency)
    current.push(main)
    main.setPrefetch(prefetch)
    // One at a time: whatever comes back of these has ended its process itself.
    const alone = { ...from, queue: shared as string, isSuspect: true }
    if (suspects) current.push(await consume(link, await link.channel(), alone, 1))
    if (quieted) await Promise.all(current.map(({ cancel }) => cancel()))
  }

  async function consume(link: Link, channel: Channel, from: Origin, prefetch: number): Promise<Consumption> {
    const queue = from.isSuspect ? (from.suspects as string) : from.queue
    const deliveries = createDeliveries(channel, link.lost, from, definition.concurrency)
    /** Each has its own prefetch from its start on; together they are one consumer whose prefetch can be changed. */
    const consumers: { readonly tag: string; readonly prefetch: number }[] = []
    const total = () => consumers.reduce((sum, one) => sum + one.prefetch, 0)
    await add(prefetch)
    /** One change after the other. */
    let changing: Promise<unknown> = Promise.resolve()

    async function add(more: number): Promise<void> {
      deliveries.expect(total() + more)
      await channel.prefetch(more)
      const { consumerTag: tag } = await channel.consume(queue, function onDelivery(message) {
        // The broker cancels a consumer whose queue was deleted or has moved: start over, which declares it again.
        if (!message) return link.fail(new Error(`the broker cancelled the consumer of queue '${queue}'`))
        onMessage(deliveries.receive(message))
      })
      consumers.push({ tag, prefetch: more })
    }

    // None is cancelled to have more: what is on its way to a consumer at that moment, RabbitMQ returns to the queue, and
    // counts as one that came back.
    async function change(next: number): Promise<void> {
      if (quieted || link.lost.aborted) return
      while (consumers.length > 1 && total() > next) await channel.cancel(consumers.pop()?.tag as string)
      if (total() < next) await add(next - total())
      else deliveries.expect(total())
    }

    return {
      cancel: () => changing.then(() => Promise.all(consumers.map(({ tag }) => channel.cancel(tag)))),
      setPrefetch(next) {
        changing = changing.then(() => change(next)).catch(link.fail)
      },
      flush: deliveries.flush,
      async settled() {
        deliveries.flush()
        await changing
        // Changes nothing; its answer comes after all that was sent before it has been taken.
        await link.orLost(channel.prefetch(prefetch))
      },
    }
  }

  function checkTimeout({ server }: Link): void {
    const { timeout } = definition
    const longest = longestTimeout(server)
    if (timeout <= longest) return
    const error = new BrokerLimitError(
      `Worker '${worker}' has a timeout of ${timeout} ms; ${server.product} ${server.version} takes a message back after ` +
        `30 minutes, so expected at most ${longest} ms. Make it shorter, or use RabbitMQ 3.12 or newer.`,
    )
    onUnusable?.(error)
    throw error
  }

  // One a process: it goes away with its connection, and misses what is published meanwhile.
  async function ownQueue(channel: Channel): Promise<string> {
    const kind = { exclusive: true, autoDelete: true, durable: false }
    const { queue } = await channel.assertQueue('', { ...kind, arguments: CONSUMER_TIMEOUT_ARGUMENT })
    await declareOn(channel, [deliveryBinding(queue), ...subscriptionBindings(queue, definition.address.name)])
    return queue
  }

  return {
    get state() {
      return session.state
    },
    setPrefetch(wanted) {
      prefetch = wanted
      // Suspects come one at a time whatever happens: they are the second.
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

/** Milliseconds between two acks, at least, unless many are due. */
const ACK_INTERVAL = 1
/** The same while messages are at hand that the handlers won't have done by then. */
const RELAXED_ACK_INTERVAL = 10

/** Where a delivery came from, and where it goes if it fails. */
type Origin = Pick<Incoming, 'queue' | 'deadLetters' | 'suspects' | 'isSuspect'>

/** A queue that is being consumed. */
interface Consumption {
  cancel(): Promise<unknown>
  setPrefetch(prefetch: number): void
  flush(): void
  settled(): Promise<void>
}

/** Turns one channel's deliveries into messages that settle themselves, with as few acks as the broker is served well by. */
function createDeliveries(channel: Channel, lost: AbortSignal, from: Origin, concurrency: number) {
  const window = createAckWindow()
  /** What the broker sends next it sends in one piece, as it got the acks: many together keep coming together. */
  let many = 1
  /** How many outstanding messages leave time for an ack. */
  let enough = Number.POSITIVE_INFINITY
  let isScheduled = false
  let delayed: NodeJS.Timeout | undefined
  let flushedAt = 0

  // At the end of the turn; but where acks come faster than once a millisecond, not before there are many. Where they come
  // slowly each is sent at once: it holds a place in the prefetch, and with it a handler. Unless enough messages are at
  // hand: each ack by itself wakes the broker, which takes its time from the handlers of the same machine.
  function acksDue(): void {
    isScheduled = false
    const interval = window.outstanding >= enough ? RELAXED_ACK_INTERVAL : ACK_INTERVAL
    const left = flushedAt + interval - performance.now()
    if (left <= 0) flush()
    else delayed ??= setTimeout(flush, Math.ceil(left))
  }

  function flush(): void {
    clearTimeout(delayed)
    delayed = undefined
    flushedAt = performance.now()
    const { upTo, single } = window.take()
    settle(() => {
      if (upTo !== undefined) channel.ack(delivery(upTo), true)
      for (const tag of single) channel.ack(delivery(tag))
    })
  }

  // On a channel that is closed, or closing, there is nothing left to settle: the broker delivers again.
  function settle(tell: () => void): void {
    if (lost.aborted) return
    try {
      tell()
    } catch (error) {
      if (!(error instanceof IllegalOperationError)) throw error
    }
  }

  // All fields are written out: it runs for each message, and copies of objects cost more than all the rest.
  function receive({ fields, properties, content }: ConsumeMessage): Incoming {
    const tag = fields.deliveryTag
    const { headers = NO_HEADERS, messageId, replyTo, correlationId } = properties
    const requestId = headers[REQUEST_ID_HEADER]
    window.delivered(tag)
    return {
      queue: from.queue,
      deadLetters: from.deadLetters,
      suspects: from.suspects,
      isSuspect: from.isSuspect,
      // Without an id from its sender a message gets one for this delivery; the next delivery's will differ.
      id: typeof messageId === 'string' && messageId !== '' ? messageId : uuidv7(),
      attempt: attemptOf(headers[ATTEMPT_HEADER]),
      returns: Number(headers[DELIVERY_COUNT_HEADER] ?? 0),
      requestId: typeof requestId === 'string' ? requestId : undefined,
      body: content,
      properties:
        properties.headers === headers ? (properties as unknown as Incoming['properties']) : { ...properties, headers },
      reply: replyTo && correlationId ? { to: replyTo, correlationId } : undefined,
      lost,
      ack() {
        window.handled(tag)
        if (window.due >= many) flush()
        else if (!isScheduled) {
          isScheduled = true
          setImmediate(acksDue)
        }
      },
      requeue() {
        window.returned(tag)
        settle(() => channel.nack(delivery(tag), false, true))
      },
    }
  }

  /** Tells how many come before the broker waits for acks. */
  function expect(prefetch: number): void {
    many = Math.ceil(prefetch / 4)
    const ahead = prefetch - concurrency
    enough = ahead > 0 ? concurrency + Math.ceil(ahead / 2) : Number.POSITIVE_INFINITY
  }

  return { receive, flush, expect }
}

const NO_HEADERS: Readonly<Record<string, unknown>> = {}

function attemptOf(header: unknown): number {
  return Number.isInteger(header) && (header as number) > 0 ? (header as number) : 1
}

// All that amqplib reads of a message to settle it.
function delivery(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
