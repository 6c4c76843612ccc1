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
  close(): Promise<void>
}

/**
 * How many attempts a message gets. Retries come with their own issue: until then a failed attempt is the last one, and
 * `decide` in settlement.ts is where they will be told apart.
 */
export const ATTEMPTS = 1

export function attemptOf({ id, attempt, requestId, body }: Incoming): Attempt {
  return { id, attempt, attempts: Math.max(ATTEMPTS, attempt), requestId, body }
}
