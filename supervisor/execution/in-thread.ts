import { MessageChannel, parentPort, threadId, workerData } from 'node:worker_threads'
import { createBus } from '../base/create-bus.ts'
import type { WorkerDefinition } from '../base/definitions.ts'
import { loadWorker } from '../base/discovery.ts'
import { recordOf, recordOfHandler, reviveError } from '../base/error-record.ts'
import { createLogger, logSafely } from '../base/log.ts'
import { followMicrotasks, giveToWork, runAs, type Work } from '../base/work.ts'
import { type ContextParts, HandlerContext } from './context.ts'
import { handle, resultOf } from './perform.ts'
import { createRemoteTransport } from './remote-bus.ts'
import type { ThreadData, ThreadLine, ThreadResult, ThreadTask, ToThread } from './thread-protocol.ts'
import { markStarted } from './thread-start.ts'

// Piscina wraps its users' workerData.
const { worker, root, logLevel } = (workerData as [unknown, ThreadData])[1] ?? (workerData as unknown as ThreadData)
const log = createLogger(worker, logLevel)
const { port1: line, port2: theirs } = new MessageChannel()
const { transport, onAnswer } = createRemoteTransport((question) => line.postMessage(question))
let loading: Promise<Loaded> | undefined
let current: Task | undefined

interface Task extends Work {
  readonly id: string
  readonly number: number
  readonly context: HandlerContext
}

interface Loaded {
  readonly definition: WorkerDefinition
  readonly parts: ContextParts
}

line.on('message', function onMessage(message: ToThread) {
  if (message.type !== 'abort') onAnswer(message)
  else if (message.number === current?.number) HandlerContext.abort(current.context, reviveError(message.error))
})
// Piscina says how long the thread lives.
line.unref()
parentPort?.postMessage({ thread: threadId, port: theirs } satisfies ThreadLine, [theirs])

/** Runs one attempt in a thread; how it ends is a value, because errors lose their names between threads. */
export async function runInThread({ number, attempt, start }: ThreadTask): Promise<ThreadResult> {
  let loaded: Loaded
  try {
    loading ??= load()
    loaded = await loading
  } catch (error) {
    return { ok: false, error: recordOf(error), isStart: true }
  }
  try {
    const { definition, parts } = loaded
    if (!markStarted(start, threadId)) throw new Error('the attempt was ended before its handler started')
    const context = new HandlerContext(attempt, parts, performance.now())
    current = { owner: { uncaught }, id: attempt.id, number, context }
    const returned = await runAs(current, handle, definition, attempt, context)
    return { ok: true, result: await resultOf(definition, returned) }
  } catch (error) {
    return { ok: false, error: recordOfHandler(error), isStart: false }
  } finally {
    current = undefined
  }
}

// An exception or rejection that nobody handles ends the thread, and so fails the attempt that runs in it, if it is its own.
// What an earlier handler has left behind is not to: nobody is charged for it.
function uncaught(task: Task, error: unknown): boolean {
  if (task !== current) return false
  process.off('uncaughtException', onUncaught)
  // Node passes on what it can serialize only, so that is what ends the thread.
  const plain = reviveError(recordOf(error))
  queueMicrotask(() => {
    throw plain
  })
  return true
}

followMicrotasks()
process.on('uncaughtException', onUncaught)

function onUncaught(error: unknown): void {
  if (giveToWork(error, 'exception')) return
  const details = { err: recordOf(error) }
  logSafely(() => log.warn(details, 'what a handler left behind in its thread failed: no message is charged'))
}

async function load(): Promise<Loaded> {
  const { definition } = await loadWorker(root, worker)
  return { definition, parts: { worker, timeout: definition.timeout, log, bus: (of) => createBus(transport, of) } }
}
