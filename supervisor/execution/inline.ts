import { AsyncLocalStorage } from 'node:async_hooks'
import type { Bus } from '../base/bus.ts'
import type { WorkerDefinition } from '../base/definitions.ts'
import { HandlerTimeoutError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { toError } from '../base/thrown.ts'
import type { Runner } from './attempt.ts'
import { createContext } from './context.ts'
import { perform } from './perform.ts'

export interface InlineOptions {
  worker: string
  definition: WorkerDefinition
  log: Logger
  bus: (headers: { requestId: string | undefined }) => Bus
}

/** Milliseconds after its attempt's end that a handler may take to heed its signal until it is told of. */
const RUNS_ON_AFTER = 1_000

/**
 * Runs handlers in this process's event loop. Nothing can stop a handler that ignores its signal: at the timeout the
 * attempt has failed and whatever the handler still returns is thrown away.
 */
export function createInlineRunner({ worker, definition, log, bus }: InlineOptions): Runner {
  const { timeout } = definition
  /** What ends the attempt whose handler began what runs now: its timers, callbacks and promises. */
  const current = new AsyncLocalStorage<(error: Error) => void>()

  async function run(attempt: Parameters<Runner['run']>[0], stop: AbortSignal): Promise<string | undefined> {
    const ended = new AbortController()
    const timer = setTimeout(() => ended.abort(new HandlerTimeoutError(worker, timeout)), timeout)
    const onStop = () => ended.abort(stop.reason)
    stop.addEventListener('abort', onStop, { once: true })
    const context = createContext({ attempt, worker, timeout, signal: ended.signal, log, bus: bus(attempt) })
    const started = performance.now()
    const fail = (error: Error) => ended.abort(error)
    const performing = current.run(fail, () => perform(definition, attempt.body, context))
    try {
      return await Promise.race([performing, untilAborted(ended.signal)])
    } catch (error) {
      if (!ended.signal.aborted) throw error
      // Whatever the handler makes of its abort, the abort is why the attempt failed.
      const tellLate = () => {
        const tookMs = Math.round(performance.now() - started)
        context.log.warn(
          { tookMs, timeoutMs: timeout },
          'a handler ended after its attempt had: its outcome is dropped',
        )
      }
      const runsOn = setTimeout(() => {
        context.log.warn({ timeoutMs: timeout }, 'a handler runs on after its attempt has ended: it ignores its signal')
      }, RUNS_ON_AFTER).unref()
      performing.then(tellLate, tellLate).finally(() => clearTimeout(runsOn))
      throw ended.signal.reason
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', onStop)
    }
  }

  return { run, uncaught: (error) => current.getStore()?.(toError(error)), close: async () => {} }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
