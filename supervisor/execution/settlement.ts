import { type Backoff, backoffDelay } from '../base/backoff.ts'
import {
  DEAD_ATTEMPTS,
  DEAD_ERROR,
  DEAD_HOST,
  DEAD_KILLS,
  DEAD_MESSAGE,
  DEAD_REASON,
  DEAD_STACK,
  DEAD_WORKER,
  FIRST_FAILED_AT,
  LAST_FAILED_AT,
} from '../base/dead-letter-headers.ts'
import type { ErrorRecord } from '../base/error-record.ts'
import { ATTEMPT_HEADER, type Headers } from '../base/message.ts'
import type { Outcome } from './attempt.ts'

/** Why a message is a dead letter. */
export type DeadReason = 'killed' | 'invalid' | 'unrecoverable' | 'timeout' | 'memory' | 'exit' | 'failed'

/** What becomes of the message. */
export type Settlement =
  | { action: 'ack' }
  | { action: 'dead-letter'; reason: DeadReason; error: ErrorRecord }
  /** Once more, after so many milliseconds. */
  | { action: 'retry'; reason: DeadReason; error: ErrorRecord; delayMs: number }
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
      const isLast = isCall || attempt >= attempts || reason === 'invalid' || reason === 'unrecoverable'
      if (isLast) return { action: 'dead-letter', reason, error }
      return { action: 'retry', reason, error, delayMs: error.delayMs ?? backoffDelay(backoff, attempt, random) }
    }
  }
}

function reasonFor({ kind }: ErrorRecord): DeadReason {
  switch (kind) {
    case 'KilledError':
      return 'killed'
    case 'InvalidMessageError':
      return 'invalid'
    case 'UnrecoverableError':
      return 'unrecoverable'
    case 'HandlerTimeoutError':
      return 'timeout'
    case 'HandlerMemoryError':
      return 'memory'
    case 'HandlerExitError':
      return 'exit'
    default:
      return 'failed'
  }
}

/** The headers of a message's next attempt. */
export function retryHeaders({ attempt, deaths = 0, at, before }: RetryFacts): Headers {
  return {
    [ATTEMPT_HEADER]: attempt + 1,
    [FIRST_FAILED_AT]: before[FIRST_FAILED_AT] ?? at.toISOString(),
    ...(deaths > 0 && { [DEAD_KILLS]: deaths }),
  }
}

export interface RetryFacts {
  attempt: number
  /** How often it has ended a process, with this attempt. */
  deaths?: number
  at: Date
  /** The headers the message came with. */
  before: Headers
}

export interface DeadLetterFacts {
  reason: DeadReason
  error: ErrorRecord
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
    [DEAD_REASON]: reason,
    [DEAD_ERROR]: error.name,
    [DEAD_MESSAGE]: error.message,
    [DEAD_STACK]: error.stack,
    [DEAD_ATTEMPTS]: attempts,
    [DEAD_WORKER]: worker,
    [DEAD_HOST]: host,
    [FIRST_FAILED_AT]: before[FIRST_FAILED_AT] ?? time,
    [LAST_FAILED_AT]: time,
  }
}
