import { AmqpError, precondition } from '../errors.ts'
import type { Consumer } from '../queues/consumers.ts'
import type { Queue } from '../queues/queue.ts'
import type { Entry } from '../store/log.ts'

/** A message that the client has and has not settled. */
interface Unacked {
  readonly queue: Queue
  readonly entry: Entry
  /** Undefined: fetched by `basic.get`. */
  readonly consumer: Consumer | undefined
}

/**
 * The messages of a channel that wait for an acknowledgement, by delivery tag. A client may have any number of them: what
 * is done about many is done in steps, between which more may be delivered, but nothing else may be settled.
 */
export interface Settling {
  /** What is settled from now on takes effect with the next commit. */
  txSelect(): void
  commit(): Generator<void>
  /** What was settled since the last commit is unacknowledged again. */
  rollback(): Generator<void>
  /** The next delivery tag. */
  nextTag(): number
  add(tag: number, unacked: Unacked): void
  ack(tag: number, multiple: boolean): Generator<void>
  /** Back to the queue, or on to its dead letter exchange; counts as no failure (RabbitMQ 4.3). */
  nack(tag: number, multiple: boolean, requeue: boolean): Generator<void>
  /** The same as a failed delivery, which the queue's delivery limit is about. */
  reject(tag: number, requeue: boolean): Generator<void>
  /** Puts everything back; counts as no failure. */
  requeueAll(): Generator<void>
  /**
   * Puts everything back when the channel ends, as failed deliveries: a consumer after the other, then what was fetched
   * (RabbitMQ's quorum queues, where the order is seen).
   */
  close(): Generator<void>
}

/** What happens to messages that are settled. */
type Fate = (items: readonly Unacked[]) => Generator<void>

interface Kept {
  readonly items: readonly Unacked[]
  readonly tags: readonly number[]
  readonly fate: Fate
}

export function createSettling(): Settling {
  let unacked = new Map<number, Unacked>()
  /** In transaction mode: what waits for the commit. */
  let kept: Kept[] | undefined
  let lastTag = 0

  /** Takes them out; tag 0 with `multiple` means all (AMQP 0-9-1, basic.ack). @param tags gets theirs */
  function* take(tag: number, multiple: boolean, tags?: number[]): Generator<void, Unacked[]> {
    const single = unacked.get(tag)
    if (!single && !(multiple && tag === 0)) throw precondition(`unknown delivery tag ${tag}`)
    const taken: Unacked[] = []
    if (single && !multiple) {
      unacked.delete(tag)
      taken.push(single)
      tags?.push(tag)
      return taken
    }
    // Not what is delivered meanwhile.
    const last = tag === 0 ? lastTag : tag
    for (const [other, item] of unacked) {
      if (other > last) break
      unacked.delete(other)
      taken.push(item)
      tags?.push(other)
      yield
    }
    return taken
  }

  /** Their consumers may have more. */
  function* credit(items: readonly Unacked[]): Generator<void> {
    for (const { queue, consumer } of items) {
      if (!consumer) continue
      consumer.unacked--
      queue.consumers.resume(consumer)
      yield
    }
  }

  function* settle(tag: number, multiple: boolean, fate: Fate): Generator<void> {
    const tags = kept && []
    const items = yield* take(tag, multiple, tags)
    if (kept && tags) return void kept.push({ items, tags, fate })
    yield* fate(items)
  }

  function* ack(items: readonly Unacked[]): Generator<void> {
    yield* credit(items)
    for (const { queue, entry } of items) {
      if (queue.isOpen()) queue.ack(entry)
      yield
    }
    yield* deliverFrom(items)
  }

  function* rollback(): Generator<void> {
    if (!kept || kept.length === 0) return
    const all = new Map<number, Unacked>()
    for (const { items, tags } of kept.splice(0)) {
      for (const [index, item] of items.entries()) {
        all.set(tags[index] as number, item)
        yield
      }
    }
    for (const [tag, item] of unacked) {
      all.set(tag, item)
      yield
    }
    // By tag, as they were delivered: an acknowledgement of many ends at its tag. Numbers alone are sorted in no time.
    const restored = new Map<number, Unacked>()
    for (const tag of Float64Array.from(all.keys()).sort()) {
      restored.set(tag, all.get(tag) as Unacked)
      yield
    }
    // What was delivered meanwhile has the highest tags.
    for (const [tag, item] of unacked) if (!all.has(tag)) restored.set(tag, item)
    unacked = restored
  }

  /** @param order the same items, in the order in which they go back */
  function* requeue(items: readonly Unacked[], hasFailed: boolean, order: Iterable<Unacked> = items): Generator<void> {
    const byQueue = new Map<Queue, Entry[]>()
    for (const { queue, entry } of order) {
      const entries = byQueue.get(queue)
      if (entries) entries.push(entry)
      else byQueue.set(queue, [entry])
      yield
    }
    // Before there is credit, with which a consumer would get what is behind them.
    const held = new Map<Queue, () => void>()
    try {
      for (const queue of byQueue.keys()) {
        if (queue.isOpen()) held.set(queue, queue.holdBack())
        yield
      }
      yield* credit(items)
      for (const [queue, release] of held) {
        if (queue.isOpen()) yield* queue.requeue(byQueue.get(queue) ?? [], hasFailed)
        held.delete(queue)
        release()
        yield
      }
    } finally {
      for (const release of held.values()) release()
    }
  }

  function* discard(items: readonly Unacked[], hasFailed: boolean): Generator<void> {
    yield* credit(items)
    for (const { queue, entry } of items) {
      if (queue.isOpen()) queue.reject(entry, hasFailed)
      yield
    }
  }

  function* giveUp(taken: readonly Unacked[], isRequeued: boolean, hasFailed: boolean): Generator<void> {
    yield* isRequeued ? requeue(taken, hasFailed) : discard(taken, hasFailed)
    yield* deliverFrom(taken)
  }

  /** There is credit again. */
  function* deliverFrom(items: readonly Unacked[]): Generator<void> {
    let last: Queue | undefined
    for (const { queue } of items) {
      if (queue !== last && queue.isOpen()) queue.deliver()
      last = queue
      yield
    }
  }

  /** Those of one consumer after the other, the oldest consumer first, and what was fetched last. */
  function* byConsumer(items: readonly Unacked[]): Generator<void, Iterable<Unacked>> {
    const places = new Map<number, Unacked[]>()
    for (const item of items) {
      const place = item.consumer?.place ?? Number.MAX_SAFE_INTEGER
      const others = places.get(place)
      if (others) others.push(item)
      else places.set(place, [item])
      yield
    }
    return concatenated([...places].sort(([a], [b]) => a - b).map(([, group]) => group))
  }

  return {
    nextTag: () => ++lastTag,
    add: (tag, item) => void unacked.set(tag, item),
    txSelect() {
      kept ??= []
    },
    *commit() {
      for (const { items, fate } of kept?.splice(0) ?? []) yield* fate(items)
    },
    rollback,
    ack: (tag, multiple) => settle(tag, multiple, ack),
    nack: (tag, multiple, isRequeued) => settle(tag, multiple, (items) => giveUp(items, isRequeued, false)),
    reject: (tag, isRequeued) => settle(tag, false, (items) => giveUp(items, isRequeued, true)),
    *requeueAll() {
      yield* requeue(yield* take(0, true), false)
    },
    *close() {
      yield* rollback()
      const items = yield* take(0, true)
      yield* requeue(items, true, yield* byConsumer(items))
    },
  }
}

function* concatenated<T>(lists: Iterable<Iterable<T>>): Generator<T> {
  for (const list of lists) yield* list
}

/** What AMQP 0-9-1 has and RabbitMQ, or this broker, has not. */
export function notImplemented(what: string): AmqpError {
  return new AmqpError(540, what)
}
