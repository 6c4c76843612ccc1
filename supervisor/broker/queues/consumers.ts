import type { Entry } from '../store/log.ts'
import type { Queue } from './queue.ts'

/** Who gets messages pushed. */
export interface Consumer {
  readonly tag: string
  /** RabbitMQ's `x-priority`: the higher one is served first, as long as it can take more. */
  readonly priority: number
  readonly exclusive: boolean
  /** How many messages it may have and not have settled. */
  readonly limit: number
  /** How many consumers its channel had had before. */
  readonly place: number
  /** How many messages it has and has not settled. */
  unacked: number
  /** Whether it has credit and its connection takes more. */
  canTake(): boolean
  deliver(entry: Entry): void
  /** The queue is gone (RabbitMQ, "Consumer Cancel Notification"). */
  cancel(queue: Queue): void
}

export interface ConsumerList {
  readonly size: number
  readonly hasExclusive: boolean
  add(consumer: Consumer): void
  remove(consumer: Consumer): void
  /** Whose turn it is, if somebody can take a message. */
  next(): Consumer | undefined
  /** It has got one: its turn is over. */
  served(consumer: Consumer): void
  /** It can take messages again, as far as it knows. */
  resume(consumer: Consumer): void
  all(): Consumer[]
}

export interface ConsumerRules {
  /** All but one wait until that one is gone. */
  readonly singleActive: boolean
  /** Those of quorum queues, as RabbitMQ 4.3 serves them, instead of those of classic ones. */
  readonly quorum: boolean
}

export function consumerList(rules: ConsumerRules): ConsumerList {
  return new Consumers(rules)
}

/** What decides whose turn it is. */
interface Turns {
  joined(consumer: Consumer): void
  next(): Consumer | undefined
  served(consumer: Consumer): void
  resume(consumer: Consumer): void
  forget(consumer: Consumer): void
}

// Classes, as are their turns: each queue that somebody consumes from has one.
class Consumers implements ConsumerList {
  readonly #members = new Set<Consumer>()
  /** Those who wait for their turn: the highest priority first, in each who waits longest. */
  readonly #line: Consumer[] = []
  readonly #turns: Turns

  constructor({ singleActive, quorum }: ConsumerRules) {
    if (!singleActive) this.#turns = new InTurn(this.#line, quorum)
    else this.#turns = quorum ? new HandedOver() : new OneAtATime(this.#line)
  }

  get size(): number {
    return this.#members.size
  }

  get hasExclusive(): boolean {
    for (const { exclusive } of this.#members) if (exclusive) return true
    return false
  }

  all(): Consumer[] {
    return [...this.#members]
  }

  add(consumer: Consumer): void {
    this.#members.add(consumer)
    enter(this.#line, consumer)
    this.#turns.joined(consumer)
  }

  remove(consumer: Consumer): void {
    this.#members.delete(consumer)
    leave(this.#line, consumer)
    this.#turns.forget(consumer)
  }

  next(): Consumer | undefined {
    return this.#turns.next()
  }

  served(consumer: Consumer): void {
    this.#turns.served(consumer)
  }

  resume(consumer: Consumer): void {
    this.#turns.resume(consumer)
  }
}

/**
 * Round robin. Who can take no more leaves the line, and enters it again at its end: those of a quorum queue with the
 * delivery that took the last of their credit, those of a classic one when it would be their turn.
 */
class InTurn implements Turns {
  readonly #line: Consumer[]
  readonly #quorum: boolean
  #full: Set<Consumer> | undefined

  constructor(line: Consumer[], quorum: boolean) {
    this.#line = line
    this.#quorum = quorum
  }

  joined(): void {}

  next(): Consumer | undefined {
    const line = this.#line
    for (let [first] = line; first; [first] = line) {
      if (first.canTake()) return first
      line.shift()
      this.#leave(first)
    }
    return undefined
  }

  served(consumer: Consumer): void {
    // A delivery can have broken its connection, and ended it.
    if (!leave(this.#line, consumer)) return
    if (this.#quorum && !consumer.canTake()) this.#leave(consumer)
    else enter(this.#line, consumer)
  }

  resume(consumer: Consumer): void {
    if (this.#full?.delete(consumer)) enter(this.#line, consumer)
  }

  forget(consumer: Consumer): void {
    this.#full?.delete(consumer)
  }

  #leave(consumer: Consumer): void {
    this.#full ??= new Set()
    this.#full.add(consumer)
  }
}

/** A classic queue's active consumer stays until it goes. */
class OneAtATime implements Turns {
  readonly #line: readonly Consumer[]
  #active: Consumer | undefined

  constructor(line: readonly Consumer[]) {
    this.#line = line
  }

  joined(consumer: Consumer): void {
    this.#active ??= consumer
  }

  next(): Consumer | undefined {
    return this.#active?.canTake() ? this.#active : undefined
  }

  served(): void {}

  resume(): void {}

  forget(consumer: Consumer): void {
    if (this.#active === consumer) this.#active = this.#line[0]
  }
}

/**
 * A quorum queue's active consumer gives way to one of a higher priority: it gets nothing more, and once it has settled
 * what it has, it waits again and the first of those who wait becomes active, so that the two never overlap.
 */
class HandedOver implements Turns {
  /** The highest priority first, then who may have the most messages, then who came first. */
  readonly #waiting: Consumer[] = []
  readonly #arrivals = new Map<Consumer, number>()
  #lastArrival = 0
  #active: Consumer | undefined
  #isGivingWay = false

  joined(consumer: Consumer): void {
    this.#arrivals.set(consumer, ++this.#lastArrival)
    this.#wait(consumer)
    this.#handOver()
  }

  next(): Consumer | undefined {
    return !this.#isGivingWay && this.#active?.canTake() ? this.#active : undefined
  }

  served(): void {}

  resume(): void {
    this.#handOver()
  }

  forget(consumer: Consumer): void {
    this.#arrivals.delete(consumer)
    leave(this.#waiting, consumer)
    if (this.#active === consumer) this.#active = undefined
    this.#handOver()
  }

  #wait(consumer: Consumer): void {
    const at = this.#waiting.findIndex((other) => this.#isBefore(consumer, other))
    this.#waiting.splice(at === -1 ? this.#waiting.length : at, 0, consumer)
  }

  #isBefore(one: Consumer, other: Consumer): boolean {
    if (one.priority !== other.priority) return one.priority > other.priority
    if (one.limit !== other.limit) return one.limit > other.limit
    return (this.#arrivals.get(one) ?? 0) < (this.#arrivals.get(other) ?? 0)
  }

  #handOver(): void {
    const active = this.#active
    const [next] = this.#waiting
    if (active && next && next.priority > active.priority) this.#isGivingWay = true
    if (active && this.#isGivingWay && active.unacked === 0) {
      this.#wait(active)
      this.#active = undefined
    }
    if (this.#active) return
    this.#isGivingWay = false
    this.#active = this.#waiting.shift()
  }
}

function enter(line: Consumer[], consumer: Consumer): void {
  const behind = line.findLastIndex(({ priority }) => priority >= consumer.priority)
  line.splice(behind + 1, 0, consumer)
}

/** Whether it was there. */
function leave(line: Consumer[], consumer: Consumer): boolean {
  const index = line.indexOf(consumer)
  if (index >= 0) line.splice(index, 1)
  return index >= 0
}

/** The steps that tell consumers that their queue is gone. */
export function* cancelling(queue: Queue, consumers: readonly Consumer[]): Generator<void> {
  for (const consumer of consumers) {
    consumer.cancel(queue)
    yield
  }
}
