import type { ErrorRecord } from '../base/error-record.ts'
import { reasonOf } from '../base/errors.ts'
import type { Incoming } from '../base/message.ts'

/** One attempt at a message, as a runner gets it. */
export interface Attempt {
  readonly id: string
  readonly attempt: number
  readonly attempts: number
  /** See `Incoming`. */
  readonly deaths: number
  readonly requestId: string | undefined
  readonly body: Uint8Array
  /** The body's `content-encoding`, if it has one. */
  readonly encoding: string | undefined
  /** What of the message's properties and headers could not be read. */
  readonly unreadable: readonly string[]
}

/** What an attempt is told from outside while it runs. */
export interface Signals {
  /** Aborted when the time of a drain is over: it ends the attempt. */
  readonly stop: AbortSignal
  /**
   * Aborted when the message's connection is lost. The handler's signal is aborted, and the attempt goes on to its own end,
   * or its timeout: until then the message must not be run once more.
   */
  readonly lost: AbortSignal
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

/** Runs handlers somewhere: in the event loop, in threads, or in the sandbox. */
export interface Runner {
  /**
   * Runs an attempt. Its error is the handler's; HandlerTimeoutError at the timeout, whatever the handler does; it is
   * stopped once `stop` is aborted. By a callback, which may come before this returns: promises in between would take
   * longer than a small handler.
   */
  run(attempt: Attempt, signals: Signals, done: Done): void
  close(): Promise<void>
}

/** @param attempts how many its worker gives it; it may have had more, when those have been made fewer */
export function attemptOf(incoming: Incoming, attempts: number): Attempt {
  const { id, attempt, deaths, requestId, body, reply, unreadable, properties } = incoming
  const { contentEncoding } = properties
  const encoding = typeof contentEncoding === 'string' ? contentEncoding : undefined
  const most = Math.max(reply ? 1 : attempts, attempt)
  return { id, attempt, attempts: most, deaths, requestId, body, encoding, unreadable }
}

/** Why a handler's signal is aborted when its message's connection is lost. */
export function lostReason(lost: AbortSignal): Error {
  return new Error(`the connection that the message came by is lost: ${reasonOf(lost.reason)}. It is delivered again.`)
}
