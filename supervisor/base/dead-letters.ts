// Dead letters as they are shown and acted on: what the commands and the front door need of the messaging part.
import type { Address, WorkerDefinition } from './definitions.ts'

/** A worker as far as its queues' names depend on it. */
export interface WorkerPlace {
  readonly name: string
  readonly address: Pick<Address, 'kind' | 'name'>
  readonly subscription: WorkerDefinition['subscription']
}

/** One dead letter in a list. What nobody wrote down is null. */
export interface DeadLetter {
  /** The message's id; of one that came without, a digest of what it holds. */
  readonly id: string
  /** Or the orphan that has it. */
  readonly worker: string
  /** The queue that keeps it. */
  readonly queue: string
  /** As in the header `x-dead-reason`, or the broker's word: `delivery_limit`, `expired`, … */
  readonly reason: string
  /** The error's name. */
  readonly error: string | null
  readonly message: string | null
  readonly attempts: number | null
  readonly host: string | null
  /** ISO 8601. */
  readonly firstFailedAt: string | null
  readonly lastFailedAt: string | null
  /** Of its body. */
  readonly bytes: number
}

/** All of a dead letter. */
export interface DeadLetterDetails extends DeadLetter {
  readonly stack: string | null
  /** Text where it is UTF-8. */
  readonly body: string
  readonly encoding: 'utf8' | 'base64'
  readonly headers: Readonly<Record<string, unknown>>
  /** AMQP's other properties that it has. */
  readonly properties: Readonly<Record<string, unknown>>
}

export interface DeadLetterFilter {
  readonly worker?: string | undefined
  /** An error's name. */
  readonly error?: string | undefined
}

export interface DeadLetterPage {
  readonly deadLetters: readonly DeadLetter[]
  /** For `after`, or null on the last page. */
  readonly next: string | null
}

/** What became of the letters of a redrive. */
export interface RedriveResult {
  readonly redriven: number
  /** Workers and orphans with letters that have no queue to go back to: each process had its own, or the worker is gone. */
  readonly skipped: readonly string[]
}

/** Every operation on the dead letters of a project's workers and orphans. They keep the order of those that stay. */
export interface DeadLetters {
  list(filter: DeadLetterFilter & { limit: number; after?: string | undefined }): Promise<DeadLetterPage>
  /** @throws DeadLetterError if there is none of this id, or if several workers have one */
  get(id: string, worker?: string): Promise<DeadLetterDetails>
  /** Sends one back to its worker's queue, or to another worker's. */
  redrive(id: string, worker?: string, to?: string): Promise<DeadLetter>
  /** The same with all that match. @param onProgress is told how many it has been so far */
  redriveAll(
    filter: DeadLetterFilter & { to?: string | undefined },
    onProgress?: (count: number) => void,
  ): Promise<RedriveResult>
  remove(id: string, worker?: string): Promise<DeadLetter>
  /** Removes all, or all of one worker. Resolves with how many. */
  purge(worker?: string): Promise<number>
}
