import type { WorkerDefinition } from '../base/definitions.ts'
import { type ErrorRecord, recordOf, recordOfHandler } from '../base/error-record.ts'
import { HandlerTimeoutError } from '../base/errors.ts'
import { runAs, type UncaughtOrigin, type Work, type WorkOwner } from '../base/work.ts'
import { type Attempt, type Done, lostReason, type Outcome, type Runner, type Signals } from './attempt.ts'
import { type ContextParts, HandlerContext } from './context.ts'
import { createDeadlines, type Timed } from './deadlines.ts'
import { createLate } from './late.ts'
import { handle, resultOf } from './perform.ts'

export interface InlineOptions extends Omit<ContextParts, 'timeout'> {
  definition: WorkerDefinition
}

/** An attempt that runs. */
interface Run extends Timed<Run>, Work {
  readonly id: string
  readonly attempt: number
  /** Undefined once it has been ended: a handler that never settles keeps its run, and is to keep nothing else. */
  context: HandlerContext | undefined
  signals: Signals | undefined
  done: Done | undefined
  /** Its signal has just been aborted. */
  isAborting: boolean
}

const NOTHING: Outcome = { status: 'done', result: undefined }

/**
 * Runs handlers in this process's event loop. Nothing can stop a handler that ignores its signal: at the timeout the
 * attempt has failed and whatever the handler still returns is thrown away.
 */
export function createInlineRunner({ definition, ...options }: InlineOptions): Runner {
  const { timeout } = definition
  const parts: ContextParts = { ...options, timeout }
  const owner: WorkOwner = { uncaught }
  const running = createDeadlines<Run>(timeout, endAtTimeout)
  const late = createLate({ log: options.log, timeout })
  /** Signals that have a listener. */
  const watched = new WeakSet<AbortSignal>()
  let latest: Signals | undefined

  function run(attempt: Attempt, signals: Signals, done: Done): void {
    if (signals !== latest) watch(signals)
    const began = performance.now()
    const context = new HandlerContext(attempt, parts, began)
    const { id, attempt: number } = attempt
    const rest = { isAborting: false, before: undefined, after: undefined }
    const one: Run = { owner, id, attempt: number, context, began, signals, done, ...rest }
    running.add(one)
    try {
      const returned = runAs(one, handle, definition, attempt, context)
      if (isThenable(returned)) {
        returned.then(
          (value) => succeed(one, value),
          (error) => fail(one, error),
        )
      } else succeed(one, returned)
    } catch (error) {
      fail(one, error)
    }
  }

  function succeed(one: Run, returned: unknown): void {
    try {
      const result = resultOf(definition, returned)
      if (result === undefined) settle(one, NOTHING)
      else if (typeof result === 'string') settle(one, { status: 'done', result })
      else {
        result.then(
          (json) => settle(one, { status: 'done', result: json }),
          (error) => fail(one, error),
        )
      }
    } catch (error) {
      fail(one, error)
    }
  }

  function fail(one: Run, thrown: unknown): void {
    settle(one, { status: 'failed', error: recordOfHandler(thrown) })
  }

  function settle(one: Run, outcome: Outcome): void {
    const done = close(one)
    if (done) done(outcome)
    else late.ended(one)
  }

  function endAtTimeout(one: Run): void {
    const error = new HandlerTimeoutError(options.worker, timeout)
    end(one, error, { status: 'failed', error: recordOf(error) })
  }

  // Whatever the handler makes of its abort, the abort is why the attempt failed.
  function end(one: Run, reason: unknown, outcome: Outcome): void {
    const { context } = one
    const done = close(one)
    if (!done || !context) return
    late.began(context)
    abort(one, context, reason)
    done(outcome)
  }

  // What its listeners throw comes from the attempt, though it has ended.
  function abort(one: Run, context: HandlerContext, reason: unknown): void {
    one.isAborting = true
    runAs(one, HandlerContext.abort, context, reason)
    setImmediate(() => {
      one.isAborting = false
    })
  }

  /** @returns whom to tell of its end; undefined: it has been told */
  function close(one: Run): Done | undefined {
    const { done } = one
    if (!done) return undefined
    running.delete(one)
    one.context = one.signals = one.done = undefined
    return done
  }

  // One listener for all that runs with the same signal: there may be thousands.
  function watch(signals: Signals): void {
    latest = signals
    const { stop, lost } = signals
    onAbort(stop, () => {
      for (const one of running) if (one.signals?.stop === stop) end(one, stop.reason, { status: 'stopped' })
    })
    onAbort(lost, () => {
      for (const one of running) {
        if (one.context && one.signals?.lost === lost) abort(one, one.context, lostReason(lost))
      }
    })
  }

  function onAbort(signal: AbortSignal, listener: () => void): void {
    if (watched.has(signal)) return
    watched.add(signal)
    signal.addEventListener('abort', listener, { once: true })
  }

  // Only the attempt fails, and the process goes on: one message must not take its neighbours along.
  function uncaught(one: Run, thrown: unknown, origin: UncaughtOrigin): boolean {
    const error = recordOfHandler(thrown)
    if (one.done) end(one, thrown, { status: 'failed', error })
    else if (one.isAborting) tell(one, error, 'a listener of a signal that was aborted failed')
    else if (origin === 'rejection')
      tell(one, error, 'nobody handled a rejection, and its attempt has ended: is an await missing?')
    else return false
    return true
  }

  function tell({ id, attempt }: Run, err: ErrorRecord, what: string): void {
    options.log.error({ worker: options.worker, id, attempt, err }, what)
  }

  return { run, close: async () => {} }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
