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

export function consumerList({ singleActive, quorum }: ConsumerRules): ConsumerList {
  const members = new Set<Consumer>()
  /** Those who wait for their turn: the highest priority first, in each who waits longest. */
  const line: Consumer[] = []
  const turns = singleActive ? (quorum ? handedOver() : oneAtATime(line)) : inTurn(line, quorum)

  return {
    get size() {
      return members.size
    },
    get hasExclusive() {
      return [...members].some(({ exclusive }) => exclusive)
    },
    all: () => [...members],

    add(consumer) {
      members.add(consumer)
      enter(line, consumer)
      turns.joined(consumer)
    },

    remove(consumer) {
      members.delete(consumer)
      leave(line, consumer)
      turns.forget(consumer)
    },

    next: turns.next,
    served: turns.served,
    resume: turns.resume,
  }
}

interface Turns {
  joined(consumer: Consumer): void
  next(): Consumer | undefined
  served(consumer: Consumer): void
  resume(consumer: Consumer): void
  forget(consumer: Consumer): void
}

/**
 * Round robin. Who can take no more leaves the line, and enters it again at its end: those of a quorum queue with the
 * delivery that took the last of their credit, those of a classic one when it would be their turn.
 */
function inTurn(line: Consumer[], quorum: boolean): Turns {
  const full = new Set<Consumer>()
  return {
    joined: () => undefined,
    next() {
      for (let [first] = line; first; [first] = line) {
        if (first.canTake()) return first
        line.shift()
        full.add(first)
      }
      return undefined
    },
    served(consumer) {
      // A delivery can have broken its connection, and ended it.
      if (!leave(line, consumer)) return
      if (quorum && !consumer.canTake()) full.add(consumer)
      else enter(line, consumer)
    },
    resume(consumer) {
      if (full.delete(consumer)) enter(line, consumer)
    },
    forget: (consumer) => void full.delete(consumer),
  }
}

/** A classic queue's active consumer stays until it goes. */
function oneAtATime(line: Consumer[]): Turns {
  let active: Consumer | undefined
  return {
    joined(consumer) {
      active ??= consumer
    },
    next: () => (active?.canTake() ? active : undefined),
    served: () => undefined,
    resume: () => undefined,
    forget(consumer) {
      if (active === consumer) active = line[0]
    },
  }
}

/**
 * A quorum queue's active consumer gives way to one of a higher priority: it gets nothing more, and once it has settled
 * what it has, it waits again and the first of those who wait becomes active, so that the two never overlap.
 */
function handedOver(): Turns {
  /** The highest priority first, then who may have the most messages, then who came first. */
  const waiting: Consumer[] = []
  const arrivals = new Map<Consumer, number>()
  let lastArrival = 0
  let active: Consumer | undefined
  let isGivingWay = false

  function wait(consumer: Consumer): void {
    const at = waiting.findIndex((other) => isBefore(consumer, other))
    waiting.splice(at === -1 ? waiting.length : at, 0, consumer)
  }

  function isBefore(one: Consumer, other: Consumer): boolean {
    if (one.priority !== other.priority) return one.priority > other.priority
    if (one.limit !== other.limit) return one.limit > other.limit
    return (arrivals.get(one) ?? 0) < (arrivals.get(other) ?? 0)
  }

  function handOver(): void {
    const [next] = waiting
    if (active && next && next.priority > active.priority) isGivingWay = true
    if (active && isGivingWay && active.unacked === 0) {
      wait(active)
      active = undefined
    }
    if (active) return
    isGivingWay = false
    active = waiting.shift()
  }

  return {
    joined(consumer) {
      arrivals.set(consumer, ++lastArrival)
      wait(consumer)
      handOver()
    },
    next: () => (!isGivingWay && active?.canTake() ? active : undefined),
    served: () => undefined,
    resume: handOver,
    forget(consumer) {
      arrivals.delete(consumer)
      leave(waiting, consumer)
      if (active === consumer) active = undefined
      handOver()
    },
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
