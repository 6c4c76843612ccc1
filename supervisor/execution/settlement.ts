import { type Backoff, backoffDelay } from '../base/backoff.ts'
import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  InvalidMessageError,
  KilledError,
  RetryError,
  UnrecoverableError,
} from '../base/errors.ts'
import { ATTEMPT_HEADER, type Headers } from '../base/message.ts'

/** How one attempt ended. */
export type Outcome =
  | { status: 'done'; result: string | undefined }
  | { status: 'failed'; error: Error }
  /** The drain's deadline came first. */
  | { status: 'stopped' }

/** Why a message is a dead letter. */
export type DeadReason = 'killed' | 'invalid' | 'unrecoverable' | 'timeout' | 'memory' | 'exit' | 'failed'

/** What becomes of the message. */
export type Settlement =
  | { action: 'ack' }
  | { action: 'dead-letter'; reason: DeadReason; error: Error }
  /** Once more, after so many milliseconds. */
  | { action: 'retry'; reason: DeadReason; error: Error; delayMs: number }
  /** Back to its queue, for another instance. */
  | { action: 'requeue' }

/** What a message's fate depends on besides how its attempt ended. */
export interface Chances {
  /** Which attempt it was, counted from 1. */
  readonly attempt: number
  /** How many a message of this worker gets. */
  readonly attempts: number
  readonly backoff: Backoff
  /** Somebody waits for the result, has the error at once, and may call again. */
  readonly isCall: boolean
}

const ACK: Settlement = { action: 'ack' }

/**
 * Decides a message's fate by how its attempt ended: the one place where it is decided.
 * @param random from 0 to 1, for the jitter of the wait
 */
export function decide(outcome: Outcome, { attempt, attempts, backoff, isCall }: Chances, random: number): Settlement {
  switch (outcome.status) {
    case 'done':
      return ACK
    case 'stopped':
      return { action: 'requeue' }
    case 'failed': {
      const { error } = outcome
      const reason = reasonFor(error)
      const isLast =
        isCall || attempt >= attempts || reason === 'killed' || reason === 'invalid' || reason === 'unrecoverable'
      if (isLast) return { action: 'dead-letter', reason, error }
      const asked = error instanceof RetryError ? error.delayMs : undefined
      return { action: 'retry', reason, error, delayMs: asked ?? backoffDelay(backoff, attempt, random) }
    }
  }
}

function reasonFor(error: Error): DeadReason {
  if (error instanceof KilledError) return 'killed'
  if (error instanceof InvalidMessageError) return 'invalid'
  if (error instanceof UnrecoverableError) return 'unrecoverable'
  if (error instanceof HandlerTimeoutError) return 'timeout'
  if (error instanceof HandlerMemoryError) return 'memory'
  if (error instanceof HandlerExitError) return 'exit'
  return 'failed'
}

/** Bytes of an error's stack that a dead letter keeps: headers share a frame of 128 KiB with the rest. */
const MAX_STACK = 8 * 1024
const MAX_MESSAGE = 2 * 1024
const MAX_NAME = 200

/** When a message failed first: it comes along with every further attempt, and into the dead letter. */
const FIRST_FAILED_AT = 'x-dead-first-failed-at'

/** The headers of a message's next attempt. */
export function retryHeaders({ attempt, at, before }: { attempt: number; at: Date; before: Headers }): Headers {
  return { [ATTEMPT_HEADER]: attempt + 1, [FIRST_FAILED_AT]: before[FIRST_FAILED_AT] ?? at.toISOString() }
}

export interface DeadLetterFacts {
  reason: DeadReason
  error: Error
  attempts: number
  worker: string
  host: string
  at: Date
  /** The headers the message came with: its first failure may lie further back. */
  before: Headers
}

/** The headers that tell a dead letter's story. */
export function deadLetterHeaders({ reason, error, attempts, worker, host, at, before }: DeadLetterFacts): Headers {
  const time = at.toISOString()
  return {
    'x-dead-reason': reason,
    'x-dead-error': cut(error.name, MAX_NAME),
    'x-dead-message': cut(error.message, MAX_MESSAGE),
    'x-dead-stack': cut(error.stack ?? '', MAX_STACK),
    'x-dead-attempts': attempts,
    'x-dead-worker': worker,
    'x-dead-host': host,
    [FIRST_FAILED_AT]: before[FIRST_FAILED_AT] ?? time,
    'x-dead-last-failed-at': time,
  }
}

function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text)
  // A cut inside a character decodes to U+FFFD, which is dropped.
  return buffer.length <= bytes ? text : `${buffer.toString('utf8', 0, bytes - 3).replace(/\uFFFD$/, '')}…`
}
