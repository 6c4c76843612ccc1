import type { Incoming } from '../base/message.ts'

/** One attempt at a message, as a runner gets it. */
export interface Attempt {
  readonly id: string
  readonly attempt: number
  readonly attempts: number
  readonly requestId: string | undefined
  readonly body: Uint8Array
}

/** Runs handlers somewhere: in the event loop, or in threads. */
export interface Runner {
  /**
   * Resolves with the result as JSON, where there is one. Rejects with the handler's error; with HandlerTimeoutError at
   * the timeout, whatever the handler does; with the reason of `stop` once that is aborted.
   */
  run(attempt: Attempt, stop: AbortSignal): Promise<string | undefined>
  /** Fails the attempt that an uncaught exception comes from, if that can be told. To be called while it is handled. */
  uncaught?(error: unknown): void
  close(): Promise<void>
}

/** @param attempts how many its worker gives it; it may have had more, when those have been made fewer */
export function attemptOf({ id, attempt, requestId, body, reply }: Incoming, attempts: number): Attempt {
  return { id, attempt, attempts: Math.max(reply ? 1 : attempts, attempt), requestId, body }
}
