import { DEAD_KILLS } from '../base/dead-letter-headers.ts'
import { ATTEMPT_HEADER, DELIVERY_COUNT_HEADER, type Incoming, REQUEST_ID_HEADER } from '../base/message.ts'
import { uuidv7 } from '../base/uuid.ts'
import { createAckWindow } from './ack-window.ts'
import type { Delivered, LinkChannel, Tagged } from './link-channel.ts'

/** Milliseconds between two acks, at least, unless many are due. */
const ACK_INTERVAL = 1
/** The same while messages are at hand that the handlers won't have done by then. */
const RELAXED_ACK_INTERVAL = 10
/** Milliseconds for a queue to send as many as it may: some round trips. One that has not by then has hardly any. */
const FILL_TIMEOUT = 100

/** Where a delivery came from, and where it goes if it fails. */
export interface Origin extends Pick<Incoming, 'queue' | 'deadLetters' | 'suspects' | 'isSuspect'> {
  /** Its queue has a result, for which a caller may wait. */
  readonly answers: boolean
}

export interface DeliveriesOptions {
  channel: LinkChannel
  /** Aborted when the channel's connection is gone. */
  lost: AbortSignal
  from: Origin
  /** See `Incoming`. */
  held: Incoming['held']
}

/** How many messages there may be. */
export interface Room {
  /** How many the broker sends before it waits for acks. */
  readonly prefetch: number
  /** How many are handled at once. */
  readonly concurrency: number
}

export interface Deliveries {
  receive(message: Delivered): Incoming
  /** Sends the acks that are due. */
  flush(): void
  /**
   * Resolves when the broker may send no more, so that nothing is on its way, or after some time. From then on acks are
   * kept back until the next `flush`. To be called while what comes is not handled.
   */
  fill(): Promise<void>
  /** Whether the broker has been told of everything that has come. */
  readonly isEmpty: boolean
  /** There is to be as much room from now on. To be called before the consumer that gets it is made. */
  resize(room: Room): void
}

/** Turns one channel's deliveries into messages that settle themselves, with as few acks as the broker is served well by. */
export function createDeliveries({ channel, lost, from, held }: DeliveriesOptions): Deliveries {
  const window = createAckWindow()
  let most = 0
  /** What the broker sends next it sends in one piece, as it got the acks: many together keep coming together. */
  let many = 1
  /** How many outstanding messages leave time for an ack. */
  let enough = Number.POSITIVE_INFINITY
  let isScheduled = false
  let isHeld = false
  let onFull = () => {}
  let delayed: NodeJS.Timeout | undefined
  let flushedAt = 0

  // At the end of the turn; but where acks come faster than once a millisecond, not before there are many. Where they come
  // slowly each is sent at once: it holds a place in the prefetch, and with it a handler. Unless enough messages are at
  // hand: each ack by itself wakes the broker, which takes its time from the handlers of the same machine.
  function acksDue(): void {
    isScheduled = false
    if (isHeld) return
    const interval = window.outstanding >= enough ? RELAXED_ACK_INTERVAL : ACK_INTERVAL
    const left = flushedAt + interval - performance.now()
    if (left <= 0) flush()
    else delayed ??= setTimeout(flush, Math.ceil(left))
  }

  function flush(): void {
    clearTimeout(delayed)
    delayed = undefined
    isHeld = false
    flushedAt = performance.now()
    const { upTo, single } = window.take()
    settle(() => {
      if (upTo !== undefined) channel.ack(delivery(upTo), true)
      for (const tag of single) channel.ack(delivery(tag))
    })
  }

  /** What the broker waits for an ack of. */
  function unacked(): number {
    return window.outstanding + window.due
  }

  // Over a link that is lost there is nothing left to settle: the broker delivers again.
  function settle(tell: () => void): void {
    if (!lost.aborted) tell()
  }

  // All fields are written out: it runs for each message, and copies of objects cost more than all the rest.
  function receive({ fields, properties, content, raw, unreadable }: Delivered): Incoming {
    const tag = fields.deliveryTag
    const { headers = NO_HEADERS, messageId, replyTo, correlationId } = properties
    const requestId = headers[REQUEST_ID_HEADER]
    window.delivered(tag)
    if (unacked() >= most) onFull()
    return {
      queue: from.queue,
      deadLetters: from.deadLetters,
      suspects: from.suspects,
      isSuspect: from.isSuspect,
      // Without an id from its sender a message gets one for this delivery; the next delivery's will differ.
      id: typeof messageId === 'string' && messageId !== '' ? messageId : uuidv7(),
      attempt: countOf(headers[ATTEMPT_HEADER]) || 1,
      deaths: countOf(headers[DEAD_KILLS]),
      returns: countOf(headers[DELIVERY_COUNT_HEADER]),
      redelivered: fields.redelivered,
      requestId: typeof requestId === 'string' ? requestId : undefined,
      body: content,
      properties:
        properties.headers === headers ? (properties as unknown as Incoming['properties']) : { ...properties, headers },
      raw,
      unreadable,
      reply: from.answers && replyTo && correlationId ? { to: replyTo, correlationId } : undefined,
      lost,
      held,
      ack() {
        window.handled(tag)
        if (window.due >= many && !isHeld) flush()
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

  function fill(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => onFull(), FILL_TIMEOUT)
      onFull = () => {
        onFull = () => {}
        clearTimeout(timer)
        clearTimeout(delayed)
        delayed = undefined
        isHeld = true
        resolve()
      }
      if (unacked() >= most || lost.aborted) onFull()
    })
  }

  function resize({ prefetch, concurrency }: Room): void {
    const ahead = prefetch - concurrency
    most = prefetch
    many = Math.ceil(prefetch / 4)
    enough = ahead > 0 ? concurrency + Math.ceil(ahead / 2) : Number.POSITIVE_INFINITY
  }

  return {
    receive,
    flush,
    fill,
    get isEmpty() {
      return unacked() === 0
    },
    resize,
  }
}

const NO_HEADERS: Readonly<Record<string, unknown>> = {}

function countOf(header: unknown): number {
  return Number.isInteger(header) && (header as number) > 0 ? (header as number) : 0
}

function delivery(deliveryTag: number): Tagged {
  return { fields: { deliveryTag } }
}
