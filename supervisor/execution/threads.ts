import { availableParallelism } from 'node:os'
import { MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { WorkerDefinition } from '../base/definitions.ts'
import { type ErrorRecord, recordOf, recordOfHandler } from '../base/error-record.ts'
import {
  HandlerExitError,
  HandlerMemoryError,
  HandlerTimeoutError,
  reasonOf,
  ThreadStartError,
} from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Transport } from '../base/message.ts'
import { type Attempt, type Done, lostReason, type Outcome, type Runner, type Signals } from './attempt.ts'
import { answerBus, type BusQuestion } from './remote-bus.ts'
import type { ThreadData, ThreadLine, ThreadResult, ThreadTask, ToThread } from './thread-protocol.ts'
import { callOff, createStart, runsFor, threadOf } from './thread-start.ts'

export interface ThreadsOptions extends ThreadData {
  definition: WorkerDefinition
  /** The compiled entry that runs in each thread. */
  filename: string
  log: Logger
  /** What the handlers' buses send through, with the id of the request they work for. */
  transport: Transport
  /** Called when threads can't run the worker's file any more: the process should be replaced. */
  onBroken: (error: Error) => void
}

/** An attempt that has a thread, or waits for one. */
interface Running {
  readonly start: BigInt64Array
  end(reason: Error): void
}

/** Milliseconds that an idle thread is kept: long enough for a lull, short enough to give its memory back. */
const IDLE_TIMEOUT = 60_000
/** Milliseconds that a handler gets to clean up after its signal was aborted, until its thread is killed. */
const KILL_GRACE = 100
/** Milliseconds until a handler that had not started within its timeout is looked after again. */
const LOOK_AGAIN = 50

/**
 * Runs handlers in threads under limits that hold: at the timeout a thread is told by its signal and then killed, busy
 * loop or not; over the memory limit V8 kills it. The process, its event loop and the other threads go on.
 */
export function createThreadRunner(options: ThreadsOptions): Runner {
  const { worker, root, logLevel, definition, filename, log, transport, onBroken } = options
  const { threads, timeout, memoryLimitMb } = definition
  const pool = new Piscina({
    filename,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_TIMEOUT,
    // Between tasks a thread must go on with what its modules do, so it may not sleep in Atomics.wait.
    atomics: 'disabled',
    workerData: { worker, root, logLevel } satisfies ThreadData,
    resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb },
    recordTiming: false,
  })
  /** By the threads' ids. */
  const lines = new Map<number, MessagePort>()
  pool.on('message', function onLine(message: unknown) {
    // A handler's module may send what it likes by its thread's `parentPort`.
    if (!isLine(message)) return
    const { thread, port } = message
    lines.set(thread, port)
    port.on('message', (question: BusQuestion) => void answerBus(question, transport, (answer) => post(port, answer)))
    port.on('close', () => lines.delete(thread))
    // While a task runs, piscina keeps the process alive.
    port.unref()
  })
  const running = new Set<Running>()
  pool.on('error', function onThreadError(error: Error) {
    log.warn({ err: error }, 'a thread failed outside of any handler')
    // Piscina keeps them waiting when the thread dies before it takes them.
    const starting = [...running].filter(({ start }) => runsFor(start) === undefined)
    for (const { end } of starting) end(new ThreadStartError(worker, reasonOf(error), { cause: error }))
  })
  let tasks = 0
  if (threads > availableParallelism()) {
    log.warn({ threads, cores: availableParallelism() }, 'more threads than cores: CPU-bound handlers will share them')
  }

  async function runInThread({ body, ...attempt }: Attempt, { stop, lost }: Signals): Promise<Outcome> {
    const number = ++tasks
    const start = createStart()
    const kill = new AbortController()
    let timer = setTimeout(checkTime, timeout)
    let ending: Error | undefined
    const one: Running = { start, end }

    // The clock starts with the handler: loading its file, or waiting for a thread, is not its fault.
    function checkTime(): void {
      const ran = runsFor(start)
      if (ran !== undefined && ran >= timeout) end(new HandlerTimeoutError(worker, timeout))
      else timer = setTimeout(checkTime, ran === undefined ? Math.min(timeout, LOOK_AGAIN) : Math.ceil(timeout - ran))
    }
    function end(reason: Error): void {
      if (ending) return
      ending = reason
      clearTimeout(timer)
      abortSignal(callOff(start), reason)
      timer = setTimeout(() => kill.abort(), KILL_GRACE)
    }
    function abortSignal(thread: number | undefined, reason: Error): void {
      const line = thread === undefined ? undefined : lines.get(thread)
      if (line) post(line, { type: 'abort', number, error: recordOf(reason) })
    }
    function onLost(): void {
      if (runsFor(start) === undefined) end(lostReason(lost))
      else abortSignal(threadOf(start), lostReason(lost))
    }
    function outcomeOf(reason: Error): Outcome {
      if (reason === stop.reason) return { status: 'stopped' }
      return reason instanceof ThreadStartError ? broken(reason) : { status: 'failed', error: recordOf(reason) }
    }
    function onStop(): void {
      end(stop.reason)
    }

    running.add(one)
    stop.addEventListener('abort', onStop, { once: true })
    lost.addEventListener('abort', onLost, { once: true })
    try {
      // A copy of its own: a Buffer may be a view of a larger one, all of which would travel.
      const bytes = new Uint8Array(body)
      const task: ThreadTask = { number, attempt: { ...attempt, body: bytes }, start }
      const result: ThreadResult = await pool.run(task, { signal: kill.signal, transferList: [bytes.buffer] })
      if (ending) return outcomeOf(ending)
      if (result.ok) return { status: 'done', result: result.result }
      // The file that the process itself could import, a thread can't: dist/ is being written, or memory is short.
      if (result.isStart) return broken(new ThreadStartError(worker, reasonOf(result.error)))
      return { status: 'failed', error: result.error }
    } catch (error) {
      return ending ? outcomeOf(ending) : { status: 'failed', error: explain(error) }
    } finally {
      running.delete(one)
      clearTimeout(timer)
      stop.removeEventListener('abort', onStop)
      lost.removeEventListener('abort', onLost)
    }
  }

  function broken(error: ThreadStartError): Outcome {
    onBroken(error)
    // The message is not to blame.
    return { status: 'stopped' }
  }

  function explain(thrown: unknown): ErrorRecord {
    const error = recordOf(thrown)
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') return recordOf(new HandlerMemoryError(worker, memoryLimitMb))
    if (/^worker exited with code/.test(error.message)) return recordOf(new HandlerExitError(worker, error.message))
    return recordOfHandler(thrown)
  }

  function run(attempt: Attempt, signals: Signals, done: Done): void {
    void runInThread(attempt, signals).then(done)
  }

  return {
    run,
    async close() {
      await pool.destroy().catch((error) => log.debug({ reason: reasonOf(error) }, 'threads ended'))
    },
  }
}

function isLine(message: unknown): message is ThreadLine {
  const { thread, port } = (message ?? {}) as Partial<ThreadLine>
  return typeof thread === 'number' && port instanceof MessagePort
}

function post(port: MessagePort, message: ToThread): void {
  port.postMessage(message)
}
