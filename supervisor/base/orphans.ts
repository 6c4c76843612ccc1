// Queues and subscriptions of the project that no worker file stands for any more: what the commands need of the messaging part.
import type { WorkerPlace } from './dead-letters.ts'

export interface Orphan {
  /** What commands call it: its queue, or `queue:NAME` where a worker of another address has that name. */
  readonly name: string
  readonly queue: string
  readonly address: WorkerPlace['address']
  /** The worker that consumed it; null: only senders have declared it. */
  readonly worker: string | null
  /** Messages that wait; null: there is no such queue. */
  readonly waiting: number | null
  readonly suspects: number | null
  /** Dead letters; null: there are none of its own, as where a worker of that name goes on with another kind of subscription. */
  readonly dead: number | null
  /** Who takes its messages, as a worker that runs on another machine does. */
  readonly consumers: number
  /** When a process declared it last: ISO 8601. */
  readonly declaredAt: string
}

/** What waits in the delay network: for all workers together, because nobody can say whose it is without taking it. */
export interface Delayed {
  /** Delayed messages and retries; null: not known. */
  readonly delayed: number | null
  /** Messages whose queue was gone when they were due. */
  readonly undeliverable: number | null
}

/** What became of one orphan. */
export interface Pruned {
  readonly orphan: Orphan
  readonly isRemoved: boolean
  /** Why not, as part of a sentence: `it has 3 messages`. */
  readonly reason?: string
}

export interface Orphans {
  /** All of them, by name. @param workers those that there are */
  list(workers: readonly WorkerPlace[]): Promise<readonly Orphan[]>
  delayed(): Promise<Delayed>
  /** Removes those that are empty. */
  pruneEmpty(workers: readonly WorkerPlace[]): Promise<readonly Pruned[]>
  /**
   * Removes one.
   * @param force with the messages that it has
   * @throws StartupError if there is none of this name
   */
  prune(workers: readonly WorkerPlace[], name: string, options: { force: boolean }): Promise<Pruned>
}
