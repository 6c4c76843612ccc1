// Every error that Warren throws or rejects with, graded by what it means for the caller.
// `code` is stable and for programs; `message` tells what was expected, what was found and what to do.

import { DURATION_FORMAT, type Duration, MAX_DELAY_MS, parseDuration } from './durations.ts'
import { messageOf, readText } from './foreign.ts'

/** The base of all of Warren's errors. */
export class WarrenError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

// -- Mistakes that a restart does not mend: the process exits with EXIT_CONFIG and pm2 leaves it down.

/** A mistake in code, files or environment that is found at start. */
export class StartupError extends WarrenError {}

/** One or more environment variables are missing or invalid; `problems` lists every one. */
export class ConfigError extends StartupError {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super('WARREN_CONFIG', list('The configuration is not valid', problems))
    this.problems = problems
  }
}

/** A `defineQueue`, `defineFanout` or `defineWorker` call has invalid arguments; `problems` lists every one. */
export class DefinitionError extends StartupError {
  readonly problems: readonly string[]
  constructor(what: string, problems: readonly string[]) {
    super('WARREN_DEFINITION', list(`${what} is not valid`, problems))
    this.problems = problems
  }
}

/** A file in `workers/` or `routes/` is missing, broken or not what its folder expects. */
export class DiscoveryError extends StartupError {
  constructor(message: string, options?: ErrorOptions) {
    super('WARREN_DISCOVERY', message, options)
  }
}

/** The broker can't serve a worker as it is defined. */
export class BrokerLimitError extends StartupError {
  constructor(message: string) {
    super('WARREN_BROKER_LIMIT', message)
  }
}

// -- Bad input: nothing was sent; the same data fails again.

/** Data does not match its schema; `issues` has the path and the reason of each miss. */
export class ValidationError extends WarrenError {
  readonly issues: readonly { path: string; message: string }[]
  constructor(what: string, issues: readonly { path: string; message: string }[]) {
    super('WARREN_VALIDATION', `${what}: ${issues.map((i) => `${i.path || '(root)'}: ${i.message}`).join('; ')}`)
    this.issues = issues
  }
}

/** A message that came is not what its address's schema says: it was not handled. */
export class InvalidMessageError extends ValidationError {}

/** A message's body is larger than a broker takes. */
export class MessageTooLargeError extends WarrenError {
  constructor(address: string, bytes: number, limit: number) {
    super(
      'WARREN_TOO_LARGE',
      `The message for ${address} has ${bytes} bytes; at most ${limit} fit. Store the data and send its id.`,
    )
  }
}

/** The broker has nowhere to put the message: no such queue, or a fanout that nobody subscribes to. */
export class UnroutableError extends WarrenError {
  constructor(address: string, hint: string) {
    super('WARREN_UNROUTABLE', `The broker has no queue for ${address}. ${hint}`)
  }
}

/** What the broker has under an address's name is not what Warren needs there, or may not be declared. */
export class TopologyError extends WarrenError {
  constructor(address: string, reason: string, options?: ErrorOptions) {
    const advice = /PRECONDITION[-_]FAILED/.test(reason)
      ? ' Rename it, or move its messages and delete the old one.'
      : ''
    super('WARREN_TOPOLOGY', `The broker refused to declare ${address}: ${reason}.${advice}`, options)
  }
}

// -- The broker can't take the message now: nothing is known to be lost, try again later. HTTP answers 503.

/** The base of the errors that later tries may get past. */
export class UnavailableError extends WarrenError {}

/** There is no connection to the broker; the message was not sent. */
export class BrokerUnavailableError extends UnavailableError {
  constructor(reason: string, options?: ErrorOptions) {
    super('WARREN_BROKER_UNAVAILABLE', `No connection to the broker: ${reason}. Nothing was sent; try again.`, options)
  }
}

/** The broker's user lacks a permission. It is asked again from time to time, so that a permission that is granted is used. */
export class AccessRefusedError extends UnavailableError {
  constructor(permission: string, options?: ErrorOptions) {
    super(
      'WARREN_ACCESS_REFUSED',
      `The broker does not permit it: ${permission}. Grant the permission, or name another user in AMQP_URL.`,
      options,
    )
  }
}

/** The broker takes no messages for now (a memory or disk alarm); the message was not sent. */
export class BrokerBlockedError extends UnavailableError {
  constructor(reason: string) {
    super(
      'WARREN_BROKER_BLOCKED',
      `The broker accepts no messages: ${reason}. Nothing was sent; try again when its alarm has cleared.`,
    )
  }
}

/** No confirm came before the connection ended, or an alarm began: it may have arrived, or may yet. Send again, same id. */
export class ConfirmLostError extends UnavailableError {
  constructor(address: string, reason: string) {
    super(
      'WARREN_CONFIRM_LOST',
      `The broker did not confirm the message for ${address}: ${reason}. It may have arrived: send it again with the same id.`,
    )
  }
}

/** The broker refused the message: its queue is full or its leader is gone. */
export class PublishRefusedError extends UnavailableError {
  constructor(address: string) {
    super('WARREN_PUBLISH_REFUSED', `The broker refused the message for ${address} (basic.nack). Try again later.`)
  }
}

/** More messages wait for the broker's confirm than memory should hold; await earlier sends. */
export class PublishOverflowError extends UnavailableError {
  constructor(bytes: number) {
    super('WARREN_PUBLISH_OVERFLOW', `${bytes} bytes already wait for the broker's confirm. Await earlier sends.`)
  }
}

/** Something else is at a queue of dead letters: only one at a time sees all of them. */
export class DeadLettersBusyError extends UnavailableError {
  constructor(queue: string, found: string) {
    super('WARREN_DEAD_LETTERS_BUSY', `Queue '${queue}' is in use: ${found}. Nothing is lost; try again.`)
  }
}

/** No autoscaler has answered: what runs is not known. */
export class AutoscalerUnavailableError extends UnavailableError {
  constructor() {
    super('WARREN_AUTOSCALER_UNAVAILABLE', 'No autoscaler answers: it shows what runs. Is it running? `npm start`.')
  }
}

// -- Dead letters.

/** What was asked of the dead letters is not to be had; `code` says which: no such letter, several, no such worker. */
export class DeadLetterError extends WarrenError {}

// -- Calls: request and reply.

/** No reply came within the timeout. The handler may still have run. */
export class CallTimeoutError extends UnavailableError {
  constructor(address: string, timeoutMs: number, hint: string) {
    super('WARREN_CALL_TIMEOUT', `${address} did not reply within ${timeoutMs} ms. ${hint}`)
  }
}

/** The connection was lost while a call waited for its reply. The handler may have run, or may still run. */
export class CallLostError extends UnavailableError {
  constructor(address: string, reason: string) {
    super(
      'WARREN_CALL_LOST',
      `The reply of ${address} is lost with the connection: ${reason}. Its handler may run all the same.`,
    )
  }
}

/** The handler failed; `remoteName` and the message are those of its error. */
export class CallFailedError extends WarrenError {
  readonly remoteName: string
  constructor(address: string, remoteName: string, message: string) {
    super('WARREN_CALL_FAILED', `${address} failed: ${remoteName}: ${message}`)
    this.remoteName = remoteName
  }
}

// -- What ends an attempt from outside the handler.

/** The handler ran longer than its worker's `timeout`. */
export class HandlerTimeoutError extends WarrenError {
  constructor(worker: string, timeoutMs: number) {
    super('WARREN_HANDLER_TIMEOUT', `The handler of worker '${worker}' ran longer than its timeout of ${timeoutMs} ms.`)
  }
}

/** The handler's thread used more heap than its worker's `memoryLimitMb`. */
export class HandlerMemoryError extends WarrenError {
  constructor(worker: string, limitMb: number) {
    super('WARREN_HANDLER_MEMORY', `The handler of worker '${worker}' used more heap than its limit of ${limitMb} MB.`)
  }
}

/** The handler's thread ended under it, for example by `process.exit()`. */
export class HandlerExitError extends WarrenError {
  constructor(worker: string, reason: string) {
    super('WARREN_HANDLER_EXIT', `The thread of worker '${worker}' ended before its handler did: ${reason}`)
  }
}

/** The message has ended a process of its worker in which nothing else ran. */
export class KilledError extends WarrenError {
  /**
   * @param times how often that was seen
   * @param how the exit code or signal of the last one
   */
  constructor(worker: string, times: number, how: string) {
    const count = times === 1 ? '1 time' : `${times} times`
    super(
      'WARREN_KILLED',
      `The message killed the worker ${count}: a process of worker '${worker}' that handled nothing else ended (${how}).`,
    )
  }
}

/** A worker's threads can't run its file any more. Its messages go back to their queue, and the process restarts. */
export class ThreadStartError extends WarrenError {
  constructor(worker: string, reason: string, options?: ErrorOptions) {
    super('WARREN_THREAD_START', `A thread of worker '${worker}' could not start: ${reason}`, options)
  }
}

// -- What a handler throws to decide a message's fate.

/** Thrown by a handler: this message can never succeed. It becomes a dead letter at once. */
export class UnrecoverableError extends WarrenError {
  constructor(message: string, options?: ErrorOptions) {
    super('WARREN_UNRECOVERABLE', message, options)
  }
}

/** Thrown by a handler: try this message again after a while. It counts as an attempt. */
export class RetryError extends WarrenError {
  /** Milliseconds to wait, or undefined for what the worker's `backoff` says. */
  readonly delayMs: number | undefined
  /**
   * @param options.delay how long to wait; without it, as long as the worker's `backoff` says
   * @param options.message what the dead letter tells, should this have been the last attempt
   * @throws ValidationError if the delay is none, or over 310 days
   */
  constructor({ delay, message = 'the handler asked for another attempt', cause }: RetryOptions = {}) {
    super('WARREN_RETRY', message, { cause })
    this.delayMs = delay === undefined ? undefined : parseDuration(delay)
    if (delay !== undefined && (this.delayMs === undefined || this.delayMs > MAX_DELAY_MS)) {
      throw new ValidationError('A RetryError', [
        { path: 'delay', message: `expected ${DURATION_FORMAT}, up to 310 days; found ${String(delay)}` },
      ])
    }
  }
}

export interface RetryOptions {
  delay?: Duration
  message?: string
  cause?: unknown
}

/** The exit code of a process whose start can't succeed until someone changes something (sysexits' EX_CONFIG). */
export const EXIT_CONFIG = 78

const MAX_REASON_BYTES = 64 * 1024

/** The text of anything that was thrown, of at most 64 KiB. It never throws. */
export function reasonOf(error: unknown): string {
  return messageOf(error, MAX_REASON_BYTES) || readText(error, 'name', MAX_REASON_BYTES) || 'an error without a message'
}

/** A heading with one problem behind it, or a list of them below it. */
function list(heading: string, problems: readonly string[]): string {
  return problems.length === 1
    ? `${heading}: ${problems[0]}`
    : `${heading}:\n${problems.map((p) => `  - ${p}`).join('\n')}`
}
