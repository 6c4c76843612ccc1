import { NACKED } from '../amqp/amqplib-inside.ts'
import {
  AccessRefusedError,
  BrokerBlockedError,
  BrokerUnavailableError,
  ConfirmLostError,
  PublishOverflowError,
  PublishRefusedError,
  reasonOf,
  UnroutableError,
} from '../base/errors.ts'
import { createLine, type Standing } from '../base/line.ts'
import { deniedExchange } from './denials.ts'
import { deniedPermission } from './explain.ts'
import type { Link } from './link.ts'
import type { PublishingChannel } from './link-channel.ts'
import { createRefusals } from './refusals.ts'
import type { PublishProperties } from './wire/write-publish.ts'

/** One message to publish, ready for the wire. */
export interface Outgoing {
  exchange: string
  routingKey: string
  body: Buffer
  /** The same in the form of the wire, which is sent if it is there. */
  raw?: Buffer
  properties: PublishProperties & { messageId: string; persistent: true; mandatory: boolean }
  /** What errors call the destination: `queue 'thumbnail'`. */
  address: string
  /** What to do where the broker has no queue for it, if it is mandatory. */
  unroutable?: string
  /** Told that the broker has no queue for it, before that is an error. */
  onUnroutable?: () => void
  /**
   * Once written, it waits for its confirm for as long as an alarm lasts. For copies of what is still in a queue: one that
   * is sent again because its confirm is late is a message too many.
   */
  outlastsAlarm?: boolean
}

/** Messages on the wire without a confirm: enough to keep a broker busy, few enough to lose little time on a loss. */
const MAX_IN_FLIGHT = 1_000
/** Bytes of messages that may wait for a place in flight. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** Bytes that a message costs beside its body. */
const OVERHEAD = 512
/**
 * Milliseconds that messages in flight get when an alarm blocks the connection. Most were taken before it; the others the
 * broker takes when the alarm clears, which may take long: their senders are told that they may arrive.
 */
const BLOCKED_GRACE = 500
/** Milliseconds after which a broker that does not confirm is taken for lost. */
const CONFIRM_TIMEOUT = 30_000
/** Milliseconds after which it is asked whether it is still there. With what that takes, a send to nobody fails within 5 s. */
const CONFIRM_OVERDUE = 1_500

export interface Publisher {
  /** Resolves when the broker has confirmed the message. */
  publish(message: Outgoing): Promise<void>
  /** Publishes over a new link from now on; what was in flight on the old one has been rejected. */
  attach(link: Link): Promise<PublishingChannel>
  /** Tells that the broker takes no messages, or that it does again. */
  block(reason: string | undefined): void
  /** Resolves when nothing is waiting or in flight. */
  flush(): Promise<void>
}

interface Pending extends Standing<Pending> {
  readonly message: Outgoing
  sentAt: number
  resolve(): void
  reject(error: Error): void
}

/**
 * Publishes with confirms, many at a time and never more than memory should hold: messages wait for a place in flight,
 * and every one of them is settled, by the broker or by a named error.
 * @param unavailable why there is no connection, for the errors while there is none
 */
export function createPublisher(unavailable: () => string): Publisher {
  const waiting: Pending[] = []
  const inFlight = createLine<Pending>()
  /** Returned by the broker, not yet confirmed: a return comes before its confirm. */
  const returned = new Map<string, number>()
  const refusals = createRefusals()
  let waitingBytes = 0
  let channel: PublishingChannel | undefined
  let current: Link | undefined
  let writable = true
  let blocked: string | undefined
  let grace: NodeJS.Timeout | undefined
  let idle: (() => void)[] = []

  function publish(message: Outgoing): Promise<void> {
    return new Promise(function admit(resolve, reject) {
      const { length } = message.body
      if (!channel) return reject(new BrokerUnavailableError(unavailable()))
      if (blocked !== undefined) return reject(new BrokerBlockedError(blocked))
      if (waitingBytes + length + OVERHEAD > MAX_WAITING_BYTES) return reject(new PublishOverflowError(waitingBytes))
      waiting.push({ message, sentAt: 0, resolve, reject, before: undefined, after: undefined })
      waitingBytes += length + OVERHEAD
      pump()
    })
  }

  function pump(): void {
    while (
      channel &&
      current &&
      writable &&
      blocked === undefined &&
      waiting.length > 0 &&
      inFlight.size < MAX_IN_FLIGHT
    ) {
      const pending = waiting.shift() as Pending
      waitingBytes -= pending.message.body.length + OVERHEAD
      write(channel, pending)
    }
    if (waiting.length === 0 && inFlight.size === 0) {
      for (const resolve of idle) resolve()
      idle = []
    }
  }

  function write(on: PublishingChannel, pending: Pending): void {
    const { message } = pending
    inFlight.add(pending)
    pending.sentAt = performance.now()
    try {
      writable = on.send(message, message.body, (error) => settle(pending, error))
    } catch (error) {
      // Properties that can't be encoded, such as headers over the frame's size; or a channel that has just gone.
      inFlight.delete(pending)
      pending.reject(error as Error)
    }
  }

  function settle(pending: Pending, error: Error | null): void {
    // A channel's end is told by the link, with its reason; only a nack is an answer.
    if (error && error.message !== NACKED) return
    if (!inFlight.delete(pending)) return
    const { message } = pending
    if (!error) refusals.taken(message.address)
    if (error) refuse(pending)
    else if (takeReturn(message)) {
      message.onUnroutable?.()
      pending.reject(new UnroutableError(message.address, message.unroutable ?? ''))
    } else pending.resolve()
    pump()
  }

  function refuse({ message: { address }, reject }: Pending): void {
    reject(new PublishRefusedError(address))
    if (!current || !refusals.refused(address, current.server)) return
    current.fail(new Error(`the broker has refused every message for ${address} for a while`))
  }

  function takeReturn({ exchange, routingKey, properties }: Outgoing): boolean {
    if (returned.size === 0 || !properties.mandatory) return false
    const key = returnKey(exchange, routingKey, properties.messageId)
    const count = returned.get(key)
    if (count === undefined) return false
    if (count === 1) returned.delete(key)
    else returned.set(key, count - 1)
    return true
  }

  function detach(cause: unknown): void {
    const reason = reasonOf(cause)
    // The publish that the broker refused has ended the channel, and with it all the others.
    const permission = deniedPermission(cause)
    const exchange = deniedExchange(cause)
    channel = undefined
    current = undefined
    clearTimeout(grace)
    returned.clear()
    const lost = [...inFlight]
    inFlight.clear()
    for (const { message, reject } of lost) {
      const isDenied = permission !== undefined && message.exchange === exchange
      reject(isDenied ? new AccessRefusedError(permission) : new ConfirmLostError(message.address, reason))
    }
    rejectWaiting(() => new BrokerUnavailableError(reason))
    pump()
  }

  // Somebody waits for a send. Nobody does for a copy, and one that a broker takes after its connection was given up, because
  // it had stood still for some seconds, is a message too many.
  function isSendOverdue(): boolean {
    for (const { message, sentAt } of inFlight) {
      if (performance.now() - sentAt < CONFIRM_OVERDUE) return false
      if (!message.outlastsAlarm) return true
    }
    return false
  }

  function rejectWaiting(error: () => Error): void {
    waitingBytes = 0
    for (const { reject } of waiting.splice(0)) reject(error())
  }

  return {
    publish,

    async attach(link) {
      const opened = await link.confirmChannel()
      opened.on('return', ({ fields, properties }) => {
        if (link.lost.aborted) return
        const key = returnKey(fields.exchange, fields.routingKey, String(properties.messageId))
        returned.set(key, (returned.get(key) ?? 0) + 1)
      })
      opened.on('drain', () => {
        if (link.lost.aborted) return
        writable = true
        pump()
      })
      link.lost.throwIfAborted()
      const watch = setInterval(function watchConfirms() {
        const oldest = inFlight.first
        if (!oldest || blocked !== undefined) return
        const age = performance.now() - oldest.sentAt
        if (age >= CONFIRM_TIMEOUT) link.fail(new Error(`the broker has confirmed nothing for ${CONFIRM_TIMEOUT} ms`))
        else if (isSendOverdue()) link.checkAlive()
      }, CONFIRM_OVERDUE / 3)
      link.lost.addEventListener('abort', () => {
        clearInterval(watch)
        detach(link.lost.reason)
      })
      writable = true
      blocked = undefined
      channel = opened
      current = link
      return opened
    },

    block(reason) {
      blocked = reason
      clearTimeout(grace)
      if (reason === undefined) {
        // The time of the alarm is not the broker's to answer for.
        for (const pending of inFlight) pending.sentAt = performance.now()
        pump()
        return
      }
      rejectWaiting(() => new BrokerBlockedError(reason))
      // They stay in flight, where a late confirm finds them.
      grace = setTimeout(function rejectUnconfirmed() {
        for (const { message, reject } of inFlight) {
          if (!message.outlastsAlarm) reject(new ConfirmLostError(message.address, reason))
        }
      }, BLOCKED_GRACE)
    },

    flush() {
      return new Promise((resolve) => {
        idle.push(resolve)
        pump()
      })
    },
  }
}

function returnKey(exchange: string, routingKey: string, messageId: string): string {
  return `${exchange}\n${routingKey}\n${messageId}`
}
