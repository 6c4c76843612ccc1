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

/** The messages of a channel that wait for an acknowledgement, by delivery tag. */
export interface Settling {
  /** What is settled from now on takes effect with the next commit. */
  txSelect(): void
  commit(): void
  /** What was settled since the last commit is unacknowledged again. */
  rollback(): void
  /** The next delivery tag. */
  nextTag(): number
  add(tag: number, unacked: Unacked): void
  ack(tag: number, multiple: boolean): void
  /** Back to the queue, or on to its dead letter exchange; counts as no failure (RabbitMQ 4.3). */
  nack(tag: number, multiple: boolean, requeue: boolean): void
  /** The same as a failed delivery, which the queue's delivery limit is about. */
  reject(tag: number, requeue: boolean): void
  /** Puts everything back; counts as no failure. */
  requeueAll(): void
  /**
   * Puts everything back when the channel ends, as failed deliveries: a consumer after the other, then what was fetched
   * (RabbitMQ's quorum queues, where the order is seen).
   */
  close(): void
}

/** What happens to messages that are settled. */
type Fate = (items: readonly Unacked[]) => void

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
  function take(tag: number, multiple: boolean, tags?: number[]): Unacked[] {
    const single = unacked.get(tag)
    if (!single && !(multiple && tag === 0)) throw precondition(`unknown delivery tag ${tag}`)
    const taken: Unacked[] = []
    if (single && !multiple) {
      unacked.delete(tag)
      taken.push(single)
      tags?.push(tag)
      return taken
    }
    for (const [other, item] of unacked) {
      if (tag !== 0 && other > tag) break
      unacked.delete(other)
      taken.push(item)
      tags?.push(other)
    }
    return taken
  }

  /** Their consumers may have more. */
  function credit(items: readonly Unacked[]): readonly Unacked[] {
    for (const { queue, consumer } of items) {
      if (!consumer) continue
      consumer.unacked--
      queue.consumers.resume(consumer)
    }
    return items
  }

  function settle(tag: number, multiple: boolean, fate: Fate): void {
    if (kept) {
      const tags: number[] = []
      kept.push({ items: take(tag, multiple, tags), tags, fate })
    } else fate(credit(take(tag, multiple)))
  }

  function ack(items: readonly Unacked[]): void {
    for (const { queue, entry } of items) if (queue.isOpen()) queue.ack(entry)
    deliverFrom(items)
  }

  function rollback(): void {
    if (!kept || kept.length === 0) return
    const all = [...unacked]
    for (const { items, tags } of kept) items.forEach((item, index) => void all.push([tags[index] as number, item]))
    // By tag, as they were delivered: an acknowledgement of many ends at its tag.
    unacked = new Map(all.sort(([a], [b]) => a - b))
    kept = []
  }

  function requeue(items: readonly Unacked[], hasFailed: boolean): void {
    const byQueue = new Map<Queue, Entry[]>()
    for (const { queue, entry } of items) {
      const entries = byQueue.get(queue)
      if (entries) entries.push(entry)
      else byQueue.set(queue, [entry])
    }
    for (const [queue, entries] of byQueue) if (queue.isOpen()) queue.requeue(entries, hasFailed)
  }

  function discard(items: readonly Unacked[], hasFailed: boolean): void {
    for (const { queue, entry } of items) if (queue.isOpen()) queue.reject(entry, hasFailed)
  }

  function giveUp(taken: readonly Unacked[], isRequeued: boolean, hasFailed: boolean): void {
    if (isRequeued) requeue(taken, hasFailed)
    else discard(taken, hasFailed)
    deliverFrom(taken)
  }

  /** There is credit again. */
  function deliverFrom(items: readonly Unacked[]): void {
    let last: Queue | undefined
    for (const { queue } of items) {
      if (queue !== last && queue.isOpen()) queue.deliver()
      last = queue
    }
  }

  return {
    nextTag: () => ++lastTag,
    add: (tag, item) => void unacked.set(tag, item),
    txSelect() {
      kept ??= []
    },
    commit() {
      const due = kept ?? []
      kept &&= []
      for (const { items, fate } of due) fate(credit(items))
    },
    rollback,
    ack: (tag, multiple) => settle(tag, multiple, ack),
    nack: (tag, multiple, isRequeued) => settle(tag, multiple, (items) => giveUp(items, isRequeued, false)),
    reject: (tag, isRequeued) => settle(tag, false, (items) => giveUp(items, isRequeued, true)),
    requeueAll() {
      requeue(credit(take(0, true)), false)
    },
    close() {
      rollback()
      const place = ({ consumer }: Unacked) => consumer?.place ?? Number.MAX_SAFE_INTEGER
      requeue(
        credit(take(0, true)).toSorted((a, b) => place(a) - place(b)),
        true,
      )
    },
  }
}

/** What AMQP 0-9-1 has and RabbitMQ, or this broker, has not. */
export function notImplemented(what: string): AmqpError {
  return new AmqpError(540, what)
}
