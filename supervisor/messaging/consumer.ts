import { setTimeout as delay } from 'node:timers/promises'
import { type Channel, type ConsumeMessage, IllegalOperationError } from 'amqplib'
import type { WorkerDefinition } from '../base/definitions.ts'
import type { Logger } from '../base/log.ts'
import { ATTEMPT_HEADER, type Incoming, REQUEST_ID_HEADER } from '../base/message.ts'
import { uuidv7 } from '../base/uuid.ts'
import { createAckWindow } from './ack-window.ts'
import { declare, declareOn } from './declare.ts'
import { deliveryBinding } from './delay.ts'
import type { Link } from './link.ts'
import { openSession, type SessionState } from './session.ts'
import { deadLettersOf, subscriptionBindings, workerTopology, workQueue } from './topology.ts'

/** Milliseconds for the broker to answer that it delivers no more. */
const CANCEL_TIMEOUT = 2_000

export interface ConsumerOptions {
  urls: readonly string[]
  /** The worker's name; with its definition it says which queue. */
  worker: string
  definition: Pick<WorkerDefinition, 'address' | 'subscription' | 'concurrency'>
  log: Logger
  /** Gets each message; must not throw. */
  onMessage: (incoming: Incoming) => void
  onState?: (state: SessionState) => void
}

export interface Consumer {
  readonly state: SessionState
  /** Takes no more messages; those that were delivered can still be settled. */
  quiet(): Promise<void>
  /** Sends the acks that are due and closes; what is not settled goes back to the queue. */
  close(): Promise<void>
}

/** Consumes a worker's queue over a session of its own, for as long as the process wants to. */
export function openConsumer({ urls, worker, definition, log, onMessage, onState }: ConsumerOptions): Consumer {
  let quieted = false
  let current: { channel: Channel; tag: string; flush(): void } | undefined
  const session = openSession({ urls, name: `${worker} consume`, log, setup, ...(onState && { onState }) })

  async function setup(link: Link): Promise<void> {
    current = undefined
    await declare(link, workerTopology(worker, definition))
    if (quieted) return
    const channel = await link.channel()
    await channel.prefetch(definition.concurrency)
    const queue = workQueue(worker, definition) ?? (await ownQueue(channel))
    const deadLetters = deadLettersOf(worker, definition)
    const deliveries = createDeliveries(channel, link.lost, { queue, deadLetters })
    const { consumerTag } = await channel.consume(queue, function onDelivery(message) {
      // The broker cancels a consumer whose queue was deleted or has moved: start over, which declares it again.
      if (!message) return link.fail(new Error(`the broker cancelled the consumer of queue '${queue}'`))
      onMessage(deliveries.receive(message))
    })
    current = { channel, tag: consumerTag, flush: deliveries.flush }
    if (quieted) await channel.cancel(consumerTag)
  }

  // One a process: it goes away with its connection, and misses what is published meanwhile.
  async function ownQueue(channel: Channel): Promise<string> {
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true, durable: false })
    await declareOn(channel, [deliveryBinding(queue), ...subscriptionBindings(queue, definition.address.name)])
    return queue
  }

  return {
    get state() {
      return session.state
    },
    async quiet() {
      quieted = true
      // If the connection is lost now, its deliveries are void: nothing is left to be quiet about. And a broker that
      // does not answer won't be waited for: what still comes is given back.
      const cancelled = current?.channel.cancel(current.tag).catch(() => {})
      await Promise.race([cancelled, delay(CANCEL_TIMEOUT, undefined, { ref: false })])
    },
    async close() {
      quieted = true
      current?.flush()
      await session.close()
    },
  }
}

/** Turns one channel's deliveries into messages that settle themselves, acks batched by event-loop turn. */
function createDeliveries(channel: Channel, lost: AbortSignal, from: Pick<Incoming, 'queue' | 'deadLetters'>) {
  const window = createAckWindow()
  let scheduled = false

  function flush(): void {
    scheduled = false
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

  function receive(message: ConsumeMessage): Incoming {
    const { deliveryTag: tag } = message.fields
    const properties = { ...message.properties, headers: message.properties.headers ?? {} }
    const { headers, messageId, replyTo, correlationId } = properties
    window.delivered(tag)
    return {
      ...from,
      // Without an id from its sender a message gets one for this delivery; the next delivery's will differ.
      id: typeof messageId === 'string' && messageId !== '' ? messageId : uuidv7(),
      attempt: attemptOf(headers[ATTEMPT_HEADER]),
      requestId: typeof headers[REQUEST_ID_HEADER] === 'string' ? headers[REQUEST_ID_HEADER] : undefined,
      body: message.content,
      properties,
      reply: replyTo && correlationId ? { to: replyTo, correlationId } : undefined,
      lost,
      ack() {
        window.handled(tag)
        if (scheduled) return
        scheduled = true
        setImmediate(flush)
      },
      requeue() {
        window.returned(tag)
        settle(() => channel.nack(delivery(tag), false, true))
      },
    }
  }

  return { receive, flush }
}

function attemptOf(header: unknown): number {
  return Number.isInteger(header) && (header as number) > 0 ? (header as number) : 1
}

// All that amqplib reads of a message to settle it.
function delivery(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
