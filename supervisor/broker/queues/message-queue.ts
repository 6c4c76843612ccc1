import { isOver } from '../store/expires.ts'
import type { Entry, Message, QueueLog } from '../store/log.ts'
import { type Consumer, type ConsumerList, cancelling, consumerList } from './consumers.ts'
import { Defined } from './defined.ts'
import { dropping } from './dropping.ts'
import { type ExpiryClock, expiryClock } from './expiry.ts'
import { giveBack } from './give-back.ts'
import { inLane } from './lanes.ts'
import { isStuck, type LengthLimits, lengthLimits, type Retained } from './limits.ts'
import type { Queue, QueueDefinition, QueueEvents, QueueTools } from './queue.ts'
import { NOWHERE, refused } from './refused.ts'
import { Waiters } from './waiters.ts'

/** Up to so many messages are delivered at once; more of them in slices. */
const DELIVERED_AT_ONCE = 50

export function createQueue(definition: QueueDefinition, log: QueueLog, events: QueueEvents, tools: QueueTools): Queue {
  return new MessageQueue(definition, log, events, tools)
}

// A class, with parts that are made when they are needed: there can be tens of thousands of queues, most of them idle.
class MessageQueue extends Defined implements Queue {
  readonly #log: QueueLog
  readonly #events: QueueEvents
  readonly #tools: QueueTools
  #consumers: ConsumerList | undefined
  #headExpiry: ExpiryClock | undefined
  #ownExpiry: ExpiryClock | undefined
  #isClosed = false
  #isGone = false
  /** Something that has expired is still at the head, and being sent on. */
  #isExpiring = false
  /** For the end of either. */
  #waiters: Waiters | undefined
  /** How many put messages back: what is behind those must not overtake them. */
  #returning = 0
  /** Many are being delivered: those who could take more get it then. */
  #isDelivering = false
  /** Dead letters that wait for their exchange. */
  readonly #retained: Retained = { messages: 0, bytes: 0 }
  /** Undefined if it may have any length. */
  readonly #limits: LengthLimits | undefined
  readonly #dropExcess: (() => void) | undefined

  constructor(definition: QueueDefinition, log: QueueLog, events: QueueEvents, tools: QueueTools) {
    super(definition)
    this.#log = log
    this.#events = events
    this.#tools = tools
    this.#limits = lengthLimits(definition.options, log, this.#retained)
    this.#dropExcess = this.#limits && dropping(this, this.#limits, events, tools, () => this.#watchHead())
    this.touch()
    this.#watchHead()
  }

  get messageCount(): number {
    return this.#log.ready
  }

  get consumers(): ConsumerList {
    const { singleActiveConsumer, type } = this.options
    this.#consumers ??= consumerList({ singleActive: singleActiveConsumer, quorum: type === 'quorum' })
    return this.#consumers
  }

  get consumerCount(): number {
    return this.#consumers?.size ?? 0
  }

  publish(message: Message, expiration = Number.POSITIVE_INFINITY, onSafe?: () => void): boolean {
    const { options } = this
    if (this.#limits?.refuses(message)) {
      if (options.overflow === 'reject-publish-dlx') this.#events.deadLetter(this, refused(message), 'maxlen')
      return false
    }
    const ttl = Math.min(options.messageTtl ?? Number.POSITIVE_INFINITY, expiration)
    const expiresAt = Number.isFinite(ttl) ? this.#tools.clock.now() + ttl : 0
    const entry = this.#log.append(inLane(message, options), expiresAt, onSafe)
    // A consumer that waits gets it even with no time to live at all.
    this.#deliver(entry)
    this.#dropExcess?.()
    this.#watchHead()
    return true
  }

  get(settled: boolean): Entry | undefined {
    this.touch()
    this.#expireHead()
    if (!this.#canHandOut()) return undefined
    const entry = this.#log.take()
    if (entry && settled) this.#log.remove(entry)
    // What is behind it may have waited only for that. A quorum queue looks when something is settled.
    if (this.options.type === 'quorum' && !settled) this.#watchHead()
    else this.#expireHead()
    return entry
  }

  ack(entry: Entry): void {
    if (entry.position !== NOWHERE) this.#log.remove(entry)
  }

  setAside(entry: Entry, reason: unknown): void {
    this.#events.setAside(this, entry, reason)
  }

  holdBack(): () => void {
    this.#returning++
    return () => {
      this.#returning--
      this.#waiters?.letGo()
      if (!this.#isClosed) this.#afterReturns()
    }
  }

  requeue(entries: readonly Entry[], hasFailed: boolean): Generator<void> {
    const onLimit = (entry: Entry) => this.#events.deadLetter(this, entry, 'delivery_limit')
    return giveBack(this.#log, this.options, entries, hasFailed, onLimit)
  }

  reject(entry: Entry, hasFailed: boolean): void {
    if (hasFailed) entry.deliveryCount++
    this.#events.deadLetter(this, entry, 'rejected')
  }

  retain({ message }: Entry): void {
    this.#retained.messages++
    this.#retained.bytes += message.body.length
  }

  letGo({ message }: Entry): void {
    const wasStuck = isStuck(this.#retained)
    this.#retained.messages--
    this.#retained.bytes -= message.body.length
    if (wasStuck && !isStuck(this.#retained)) this.deliver()
  }

  addConsumer(consumer: Consumer): void {
    this.consumers.add(consumer)
    this.touch()
    this.#deliver()
  }

  removeConsumer(consumer: Consumer): void {
    this.consumers.remove(consumer)
    this.touch()
    if (this.consumerCount === 0 && this.flags.autoDelete) this.#events.unused(this)
    else this.#deliver()
  }

  expire(): Promise<void> | undefined {
    this.#expireHead()
    if (this.#isClosed || (!this.#isExpiring && this.#returning === 0)) return undefined
    this.#waiters ??= new Waiters()
    return this.#waiters.wait()
  }

  deliver(): void {
    this.#deliver()
  }

  touch(): void {
    const { expires } = this.options
    if (expires === undefined || this.#isClosed) return
    this.#ownExpiry ??= expiryClock(this.#tools.clock, this.#tools.onFault, () => this.#events.unused(this))
    if (this.consumerCount === 0) this.#ownExpiry.setAt(this.#tools.clock.now() + expires)
    else this.#ownExpiry.stop()
  }

  purge(): number {
    return this.#log.purge()
  }

  isOpen(): boolean {
    return !this.#isClosed
  }

  isGone(): boolean {
    return this.#isGone
  }

  close(): void {
    this.#isClosed = true
    this.#headExpiry?.stop()
    this.#ownExpiry?.stop()
    this.#endExpiry()
  }

  destroy(): void {
    this.close()
    const consumers = this.#consumers?.all() ?? []
    this.#consumers = undefined
    this.#isGone = true
    this.#log.destroy()
    if (consumers.length > 0) (this.#tools.prompt ?? this.#tools.slices).run(this, cancelling(this, consumers))
  }

  /** @param fresh what has just come, and has not expired yet */
  #deliver(fresh?: Entry): void {
    if (!this.#isDelivering && this.#deliverSome(fresh)) {
      this.#isDelivering = true
      // What could be taken only while the last steps ended has been passed over.
      const finished = () => {
        this.#isDelivering = false
        this.#deliver()
      }
      if ((this.#tools.prompt ?? this.#tools.slices).run(this, this.#deliverRest(), finished)) finished()
    }
    this.#watchHead()
  }

  *#deliverRest(): Generator<void> {
    while (this.#deliverSome()) yield
  }

  /** Returns whether more may be left. */
  #deliverSome(fresh?: Entry): boolean {
    // A consumer's delivery can end in another one here, through a connection that it breaks.
    for (let left = DELIVERED_AT_ONCE; !this.#isClosed && this.#log.ready > 0; left--) {
      const consumer = this.#consumers?.next()
      if (!consumer) return false
      if (left === 0) return true
      if (fresh === undefined || this.#log.peek() !== fresh) this.#expireHead()
      if (!this.#canHandOut()) break
      const entry = this.#log.take()
      if (!entry) break
      // A classic queue does not look at what it passes on.
      if (entry === fresh && this.options.type === 'classic') entry.redelivered = false
      try {
        consumer.deliver(entry)
        this.#consumers?.served(consumer)
      } catch (error) {
        this.setAside(entry, error)
      }
    }
    return false
  }

  /** Nothing is handed out past what expires or comes back, nor while too many dead letters wait: consumers make them. */
  #canHandOut(): boolean {
    return !this.#isExpiring && this.#returning === 0 && !isStuck(this.#retained)
  }

  /** Messages expire only at the head, per-message TTLs too (RabbitMQ, "Time-To-Live and Expiration"). */
  #expireHead(): void {
    if (!this.#isExpiring && isOver(this.#log.peek(), this.#tools.clock.now())) this.#expireAll()
    else this.#watchHead()
  }

  /** In a quorum queue what is first in any of its lanes can expire, when the head does or at its time. */
  #expireAll(): void {
    if (this.#canHandOut()) {
      this.#isExpiring = true
      this.#isExpiring = !this.#tools.slices.run(this, this.#expired(), () => {
        this.#endExpiry()
        this.#deliver()
      })
    }
    this.#watchHead()
  }

  /** Sends on what has expired, until nothing has. */
  *#expired(): Generator<void> {
    for (let head = this.#firstExpired(); head && !this.#isClosed; head = this.#firstExpired()) {
      this.#log.take(head)
      this.#events.deadLetter(this, head, 'expired')
      yield
    }
  }

  #firstExpired(): Entry | undefined {
    return isStuck(this.#retained) ? undefined : this.#log.firstExpired(this.#tools.clock.now())
  }

  #endExpiry(): void {
    this.#isExpiring = false
    this.#waiters?.letGo()
  }

  #watchHead(): void {
    if (this.#isClosed || !this.#canHandOut()) return
    const expiresAt = this.#log.headExpiresAt()
    if (expiresAt) {
      this.#headExpiry ??= expiryClock(this.#tools.clock, this.#tools.onFault, () => this.#expireAll())
      this.#headExpiry.setAt(expiresAt)
    } else this.#headExpiry?.stop()
  }

  #afterReturns(): void {
    // A classic queue that is over its limit drops before it delivers, a quorum queue afterwards, and what has expired
    // before all else (RabbitMQ 4.0.5).
    if (this.options.type === 'classic') this.#dropExcess?.()
    else this.#expireHead()
    this.#deliver()
    this.#dropExcess?.()
    this.#watchHead()
  }
}
