import type { Table } from '../../amqp/fields.ts'
import type { Clock } from '../clock.ts'
import type { OnFault } from '../guard.ts'
import type { Slices } from '../slices.ts'
import type { Entry, Message, QueueLog } from '../store/log.ts'
import type { QueueFlags, QueueOptions } from './arguments.ts'
import { type Consumer, type ConsumerList, consumerList } from './consumers.ts'
import { expiryClock } from './expiry.ts'
import { laneOf } from './lanes.ts'
import { lengthLimits } from './limits.ts'

/** Why a message leaves its queue for the dead letter exchange, in RabbitMQ's words. */
export type DeadLetterReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit'

/** A connection, as far as exclusive queues have to tell one from the other. */
export type Owner = object

export interface QueueDefinition {
  readonly id: number
  readonly name: string
  readonly flags: QueueFlags
  readonly args: Table
  readonly options: QueueOptions
  /** The connection that an exclusive queue belongs to. */
  readonly owner: Owner | undefined
}

export interface QueueEvents {
  /** Takes care of a message that is outstanding in its queue: it calls `ack` when the message is in safety elsewhere. */
  deadLetter(queue: Queue, entry: Entry, reason: DeadLetterReason): void
  /** Takes care of a message that is outstanding and has made something throw. */
  setAside(queue: Queue, entry: Entry, reason: unknown): void
  /** It was unused for as long as `x-expires` says, or the last consumer of an auto-delete queue has gone. */
  unused(queue: Queue): void
}

export interface Queue extends QueueDefinition {
  /** Ready messages. */
  readonly messageCount: number
  readonly consumers: ConsumerList
  /**
   * Takes a message, and delivers it if somebody waits.
   * @param expiration milliseconds that this message may stay; the queue's own limit holds too
   * @param onSafe called once, later, when the message is on disk or has left the queue before
   * @returns false if the queue is full and refuses it; `onSafe` is not called then
   */
  publish(message: Message, expiration?: number, onSafe?: () => void): boolean
  /** Takes the head. @param settled it is acknowledged with that; otherwise the caller settles it */
  get(settled: boolean): Entry | undefined
  ack(entry: Entry): void
  /** Takes a message out of the way that has made something throw. */
  setAside(entry: Entry, reason: unknown): void
  /** Puts messages back. @param hasFailed it counts as a failed delivery of each */
  requeue(entries: readonly Entry[], hasFailed: boolean): void
  /** Sends it on to the dead letter exchange. @param hasFailed its dead letter has a failed delivery behind it */
  reject(entry: Entry, hasFailed: boolean): void
  addConsumer(consumer: Consumer): void
  removeConsumer(consumer: Consumer): void
  /**
   * Sends on what has expired and is in the way, as far as there is time for it.
   * @returns undefined if nothing is in the way any more; otherwise it resolves then
   */
  expire(): Promise<void> | undefined
  /** Delivers what can be delivered; called when a consumer can take messages again. */
  deliver(): void
  /** Somebody has used it, which puts its own expiry off. */
  touch(): void
  purge(): number
  /** Whether it still takes part: neither closed nor destroyed. */
  isOpen(): boolean
  /** Ends its timers; the messages stay. */
  close(): void
  /** Removes it with its messages, and tells its consumers. */
  destroy(): void
}

/** What all queues share. */
export interface QueueTools {
  readonly clock: Clock
  readonly slices: Slices
  /** A timer of a queue's has thrown. */
  readonly onFault: OnFault
}

export function createQueue(definition: QueueDefinition, log: QueueLog, events: QueueEvents, tools: QueueTools): Queue {
  const { clock, slices, onFault } = tools
  const { options, flags } = definition
  const limits = lengthLimits(options, log)
  const consumers = consumerList({ singleActive: options.singleActiveConsumer, quorum: options.type === 'quorum' })
  const messages = expiryClock(clock, onFault, expireAll)
  const idle = expiryClock(clock, onFault, () => events.unused(queue))
  let closed = false
  /** Something that has expired is still at the head, and being sent on. */
  let isExpiring = false
  let onExpired: (() => void)[] = []

  const queue: Queue = {
    // Field by field: a spread into so many makes an object of several kilobytes.
    id: definition.id,
    name: definition.name,
    flags,
    args: definition.args,
    options,
    owner: definition.owner,
    consumers,
    get messageCount() {
      return log.ready
    },

    publish(message, expiration = Number.POSITIVE_INFINITY, onSafe) {
      if (limits.refuses(message)) {
        if (options.overflow === 'reject-publish-dlx') deadLetterNow(log.append(message, 0), 'maxlen')
        return false
      }
      const ttl = Math.min(options.messageTtl ?? Number.POSITIVE_INFINITY, expiration)
      const entry = log.append(inLane(message), Number.isFinite(ttl) ? clock.now() + ttl : 0, onSafe)
      // A consumer that waits gets it even with no time to live at all.
      deliver(entry)
      dropHead()
      watchHead()
      return true
    },

    get(settled) {
      touch()
      expireHead()
      if (isExpiring) return undefined
      const entry = log.take()
      if (entry && settled) log.remove(entry)
      // What is behind it may have waited only for that. A quorum queue looks when something is settled.
      if (options.type === 'quorum' && !settled) watchHead()
      else expireHead()
      return entry
    },

    ack: (entry) => log.remove(entry),
    setAside: (entry, reason) => events.setAside(queue, entry, reason),

    requeue(entries, hasFailed) {
      for (const entry of entries) {
        entry.redelivered = true
        if (options.type === 'quorum') entry.acquiredCount++
        if (hasFailed) entry.deliveryCount++
        if (options.deliveryLimit !== undefined && entry.deliveryCount > options.deliveryLimit) {
          events.deadLetter(queue, entry, 'delivery_limit')
        } else log.giveBack(entry)
      }
      // A classic queue that is over its limit drops before it delivers, a quorum queue afterwards, and what has expired
      // before all else (RabbitMQ 4.0.5).
      if (options.type === 'classic') dropHead()
      else expireHead()
      deliver()
      dropHead()
      watchHead()
    },

    reject(entry, hasFailed) {
      if (hasFailed) entry.deliveryCount++
      events.deadLetter(queue, entry, 'rejected')
    },

    addConsumer(consumer) {
      consumers.add(consumer)
      touch()
      deliver()
    },

    removeConsumer(consumer) {
      consumers.remove(consumer)
      touch()
      if (consumers.size === 0 && flags.autoDelete) events.unused(queue)
      else deliver()
    },

    expire() {
      expireHead()
      return isExpiring ? new Promise((resolve) => onExpired.push(resolve)) : undefined
    },

    deliver: () => deliver(),
    touch,
    purge: () => log.purge(),
    isOpen: () => !closed,

    close() {
      closed = true
      messages.stop()
      idle.stop()
      endExpiry()
    },

    destroy() {
      queue.close()
      const waiting = consumers.all()
      for (const consumer of waiting) {
        consumers.remove(consumer)
        consumer.cancel(queue)
      }
      log.destroy()
    },
  }
  touch()
  watchHead()
  return queue

  /** @param fresh what has just come, and has not expired yet */
  function deliver(fresh?: Entry): void {
    // A consumer's delivery can end in another one here, through a connection that it breaks.
    while (!closed && log.ready > 0) {
      const consumer = consumers.next()
      if (!consumer) break
      if (fresh === undefined || log.peek() !== fresh) expireHead()
      if (isExpiring) break
      const entry = log.take()
      if (!entry) break
      // A classic queue does not look at what it passes on.
      if (entry === fresh && options.type === 'classic') entry.redelivered = false
      try {
        consumer.deliver(entry)
        consumers.served(consumer)
      } catch (error) {
        events.setAside(queue, entry, error)
      }
    }
    watchHead()
  }

  /** Messages expire only at the head, per-message TTLs too (RabbitMQ, "Time-To-Live and Expiration"). */
  function expireHead(): void {
    if (!isExpiring && hasExpired(log.peek())) expireAll()
    watchHead()
  }

  /** In a quorum queue what is first in any of its lanes can expire, when the head does or at its time. */
  function expireAll(): void {
    if (!isExpiring) {
      isExpiring = true
      isExpiring = !slices.run(queue, expired(), () => {
        endExpiry()
        deliver()
      })
    }
    watchHead()
  }

  /** Sends on what has expired, until nothing has. */
  function* expired(): Generator<void> {
    for (let head = log.firstExpired(clock.now()); head && !closed; head = log.firstExpired(clock.now())) {
      log.take(head)
      deadLetterNow(head, 'expired')
      yield
    }
  }

  function endExpiry(): void {
    isExpiring = false
    const actions = onExpired
    onExpired = []
    for (const action of actions) action()
  }

  function hasExpired(head: Entry | undefined): boolean {
    return head !== undefined && head.expiresAt > 0 && head.expiresAt <= clock.now()
  }

  function watchHead(): void {
    if (closed || isExpiring) return
    const expiresAt = log.headExpiresAt()
    if (expiresAt) messages.setAt(expiresAt)
    else messages.stop()
  }

  function dropHead(): void {
    for (const entry of limits.takeExcess()) deadLetterNow(entry, 'maxlen')
  }

  function deadLetterNow(entry: Entry, reason: DeadLetterReason): void {
    events.deadLetter(queue, entry, reason)
  }

  function inLane(message: Message): Message {
    const priority = laneOf(options, message.priority)
    return message.priority === priority ? message : { ...message, priority }
  }

  function touch(): void {
    if (options.expires === undefined || closed) return
    if (consumers.size === 0) idle.setAt(clock.now() + options.expires)
    else idle.stop()
  }
}
