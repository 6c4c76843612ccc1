import type { Incoming } from '../base/message.ts'

/** One attempt at a message, as a runner gets it. */
export interface Attempt {
  readonly id: string
  readonly attempt: number
  readonly attempts: number
  readonly requestId: string | undefined
  readonly body: Uint8Array
}

/** Told once how an attempt has ended: with the result as JSON, where there is one, or with an error. */
export type Done = (how: { ok: true; result: string | undefined } | { ok: false; error: unknown }) => void

/** Runs handlers somewhere: in the event loop, or in threads. */
export interface Runner {
  /**
   * Runs an attempt. Its error is the handler's; HandlerTimeoutError at the timeout, whatever the handler does; the reason
   * of `stop` once that is aborted. By a callback, which may come before this returns: promises in between would take
   * longer than a small handler.
   */
  run(attempt: Attempt, stop: AbortSignal, done: Done): void
  /** Fails the attempt that an uncaught exception comes from, if that can be told. To be called while it is handled. */
  uncaught?(error: unknown): void
  close(): Promise<void>
}

/** @param attempts how many its worker gives it; it may have had more, when those have been made fewer */
export function attemptOf({ id, attempt, requestId, body, reply }: Incoming, attempts: number): Attempt {
  return { id, attempt, attempts: Math.max(reply ? 1 : attempts, attempt), requestId, body }
}
