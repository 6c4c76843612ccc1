import { MessageChannel, parentPort, threadId, workerData } from 'node:worker_threads'
import { createBus } from '../base/create-bus.ts'
import type { WorkerDefinition } from '../base/definitions.ts'
import { loadWorker } from '../base/discovery.ts'
import { recordOf, recordOfHandler, reviveError } from '../base/error-record.ts'
import { createLogger } from '../base/log.ts'
import type { Transport } from '../base/message.ts'
import { type ContextParts, HandlerContext } from './context.ts'
import { handle, resultOf } from './perform.ts'
import type { FromThread, ThreadData, ThreadLine, ThreadResult, ThreadTask, ToThread } from './thread-protocol.ts'
import { markStarted } from './thread-start.ts'

// Piscina wraps its users' workerData.
const { worker, root, logLevel } = (workerData as [unknown, ThreadData])[1] ?? (workerData as unknown as ThreadData)
const log = createLogger(worker, logLevel)
const { port1: line, port2: theirs } = new MessageChannel()
const { transport, onAnswer } = portTransport((message) => line.postMessage(message))
let loading: Promise<Loaded> | undefined
let current: { readonly number: number; readonly context: HandlerContext } | undefined

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
    current = { number, context }
    return { ok: true, result: await resultOf(definition, await handle(definition, attempt.body, context)) }
  } catch (error) {
    return { ok: false, error: recordOfHandler(error), isStart: false }
  } finally {
    current = undefined
  }
}

async function load(): Promise<Loaded> {
  const { definition } = await loadWorker(root, worker)
  return { definition, parts: { worker, timeout: definition.timeout, log, bus: (of) => createBus(transport, of) } }
}

/** A bus's transport that asks the process's main thread to send. */
function portTransport(post: (message: FromThread) => void) {
  const calls = new Map<number, { resolve(body: Uint8Array | undefined): void; reject(error: Error): void }>()
  let last = 0

  function ask(message: (call: number) => FromThread): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const call = ++last
      calls.set(call, { resolve, reject })
      post(message(call))
    })
  }

  function onAnswer(message: Exclude<ToThread, { type: 'abort' }>): void {
    const call = calls.get(message.call)
    calls.delete(message.call)
    if (message.type === 'answer') call?.resolve(message.body)
    else call?.reject(reviveError(message.error))
  }

  const transport: Transport = {
    async deliver(envelope) {
      await ask((call) => ({ type: 'deliver', call, envelope }))
    },
    async request(envelope, timeoutMs) {
      return (await ask((call) => ({ type: 'request', call, envelope, timeoutMs }))) as Uint8Array
    },
  }
  return { transport, onAnswer }
}
