import type { ErrorRecord } from '../base/error-record.ts'
import type { Incoming } from '../base/message.ts'

/** One attempt at a message, as a runner gets it. */
export interface Attempt {
  readonly id: string
  readonly attempt: number
  readonly attempts: number
  readonly requestId: string | undefined
  readonly body: Uint8Array
}

/** How one attempt ended. */
export type Outcome =
  /** With the result as JSON, where there is one. */
  | { status: 'done'; result: string | undefined }
  | { status: 'failed'; error: ErrorRecord }
  /** Nobody is to blame: the drain's deadline came first, or the process is about to be replaced. */
  | { status: 'stopped' }

/** Told once how an attempt has ended. */
export type Done = (outcome: Outcome) => void

/** Runs handlers somewhere: in the event loop, or in threads. */
export interface Runner {
  /**
   * Runs an attempt. Its error is the handler's; HandlerTimeoutError at the timeout, whatever the handler does; it is
   * stopped once `stop` is aborted. By a callback, which may come before this returns: promises in between would take
   * longer than a small handler.
   */
  run(attempt: Attempt, stop: AbortSignal, done: Done): void
  close(): Promise<void>
}

/** @param attempts how many its worker gives it; it may have had more, when those have been made fewer */
export function attemptOf({ id, attempt, requestId, body, reply }: Incoming, attempts: number): Attempt {
  return { id, attempt, attempts: Math.max(reply ? 1 : attempts, attempt), requestId, body }
}
