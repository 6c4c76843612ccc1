import type { WorkerDefinition } from '../base/definitions.ts'
import { recordOf, recordOfHandler } from '../base/error-record.ts'
import { HandlerTimeoutError } from '../base/errors.ts'
import { runAs, type UncaughtOrigin, type Work, type WorkOwner } from '../base/work.ts'
import type { Attempt, Done, Outcome, Runner } from './attempt.ts'
import { type ContextParts, HandlerContext } from './context.ts'
import { createDeadlines, type Timed } from './deadlines.ts'
import { handle, resultOf } from './perform.ts'

export interface InlineOptions extends Omit<ContextParts, 'timeout'> {
  definition: WorkerDefinition
}

/** An attempt that runs. */
interface Run extends Timed<Run>, Work {
  readonly context: HandlerContext
  readonly stop: AbortSignal
  readonly done: Done
  isOver: boolean
}

/** Milliseconds after its attempt's end that a handler may take to heed its signal until it is told of. */
const RUNS_ON_AFTER = 1_000

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
  /** Signals that end what runs with them. */
  const watched = new WeakSet<AbortSignal>()

  function run(attempt: Attempt, stop: AbortSignal, done: Done): void {
    if (!watched.has(stop)) watch(stop)
    const began = performance.now()
    const context = new HandlerContext(attempt, parts, began)
    const one: Run = { owner, context, began, stop, done, isOver: false, before: undefined, after: undefined }
    running.add(one)
    try {
      const returned = runAs(one, handle, definition, attempt.body, context)
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
    if (one.isOver) {
      tellLate(one)
      return
    }
    one.isOver = true
    running.delete(one)
    one.done(outcome)
  }

  function endAtTimeout(one: Run): void {
    const error = new HandlerTimeoutError(options.worker, timeout)
    end(one, error, { status: 'failed', error: recordOf(error) })
  }

  // Whatever the handler makes of its abort, the abort is why the attempt failed.
  function end(one: Run, reason: unknown, outcome: Outcome): void {
    if (one.isOver) return
    one.isOver = true
    running.delete(one)
    HandlerContext.abort(one.context, reason)
    late.set(one, setTimeout(tellRunsOn, RUNS_ON_AFTER, one).unref())
    one.done(outcome)
  }

  /** Handlers that have not ended although their attempts have. */
  const late = new Map<Run, NodeJS.Timeout>()

  function tellRunsOn({ context }: Run): void {
    const details = { timeoutMs: timeout }
    context.log.warn(details, 'a handler runs on after its attempt has ended: it ignores its signal')
  }

  function tellLate(one: Run): void {
    clearTimeout(late.get(one))
    late.delete(one)
    const tookMs = Math.round(performance.now() - one.began)
    const details = { tookMs, timeoutMs: timeout }
    one.context.log.warn(details, 'a handler ended after its attempt had: its outcome is dropped')
  }

  // One listener for all: a process has one such signal, and thousands of attempts.
  function watch(stop: AbortSignal): void {
    watched.add(stop)
    const endThose = () => {
      for (const one of running) if (one.stop === stop) end(one, stop.reason, { status: 'stopped' })
    }
    stop.addEventListener('abort', endThose, { once: true })
  }

  // Only the attempt fails, and the process goes on: one message must not take its neighbours along.
  function uncaught(one: Run, thrown: unknown, origin: UncaughtOrigin): boolean {
    const error = recordOfHandler(thrown)
    if (!one.isOver) end(one, thrown, { status: 'failed', error })
    else if (origin === 'rejection') {
      one.context.log.error(
        { err: error },
        'nobody handled a rejection, and its attempt has ended: is an await missing?',
      )
    } else return false
    return true
  }

  return { run, close: async () => {} }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
