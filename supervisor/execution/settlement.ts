import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  InvalidMessageError,
  UnrecoverableError,
} from '../base/errors.ts'
import type { Headers } from '../base/message.ts'

/** How one attempt ended. */
export type Outcome =
  | { status: 'done'; result: string | undefined }
  | { status: 'failed'; error: Error }
  /** The drain's deadline came first. */
  | { status: 'stopped' }

/** Why a message is a dead letter. */
export type DeadReason = 'invalid' | 'unrecoverable' | 'timeout' | 'memory' | 'exit' | 'failed'

/** What becomes of the message. */
export type Settlement =
  | { action: 'ack' }
  | { action: 'dead-letter'; reason: DeadReason; error: Error }
  /** Back to its queue, for another instance. */
  | { action: 'requeue' }

/** Decides a message's fate by how its attempt ended: the one place where it is decided. */
export function decide(outcome: Outcome): Settlement {
  switch (outcome.status) {
    case 'done':
      return { action: 'ack' }
    case 'stopped':
      return { action: 'requeue' }
    case 'failed':
      // The place of retries: an error that another attempt may get past, of a message with attempts left.
      return { action: 'dead-letter', reason: reasonFor(outcome.error), error: outcome.error }
  }
}

function reasonFor(error: Error): DeadReason {
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
    'x-dead-first-failed-at': before['x-dead-first-failed-at'] ?? time,
    'x-dead-last-failed-at': time,
  }
}

function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text)
  // A cut inside a character decodes to U+FFFD, which is dropped.
  return buffer.length <= bytes ? text : `${buffer.toString('utf8', 0, bytes - 3).replace(/\uFFFD$/, '')}…`
}
