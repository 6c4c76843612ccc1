import { workerData } from 'node:worker_threads'
import { createBus } from '../base/create-bus.ts'
import { loadWorker, type Worker } from '../base/discovery.ts'
import { createLogger } from '../base/log.ts'
import type { Transport } from '../base/message.ts'
import { reviveError, toPlain } from '../base/revive-error.ts'
import { type ContextParts, HandlerContext } from './context.ts'
import { handle, resultOf } from './perform.ts'
import type { FromThread, ThreadData, ThreadResult, ThreadTask, ToThread } from './thread-protocol.ts'

// Piscina wraps its users' workerData.
const { worker, root, logLevel } = (workerData as [unknown, ThreadData])[1] ?? (workerData as unknown as ThreadData)
const log = createLogger(worker, logLevel)
let loading: Promise<Worker> | undefined

/** Runs one attempt in a thread; how it ends is a value, because errors lose their names between threads. */
export async function runInThread({ attempt, port }: ThreadTask): Promise<ThreadResult> {
  let context: HandlerContext | undefined
  let ended: Error | undefined
  const { transport, onMessage } = portTransport((message) => port.postMessage(message))
  port.on('message', (message: ToThread) => {
    if (message.type === 'abort') abort(reviveError(message.error))
    else onMessage(message)
  })
  try {
    loading ??= loadWorker(root, worker)
    const { definition } = await loading
    const parts: ContextParts = { worker, timeout: definition.timeout, log, bus: (of) => createBus(transport, of) }
    // Told to before the worker's file was there.
    if (ended) throw ended
    port.postMessage({ type: 'started' } satisfies FromThread)
    context = new HandlerContext(attempt, parts, performance.now())
    return { ok: true, result: await resultOf(definition, await handle(definition, attempt.body, context)) }
  } catch (error) {
    return { ok: false, error: toPlain(error) }
  } finally {
    port.close()
  }

  function abort(reason: Error): void {
    ended = reason
    if (context) HandlerContext.abort(context, reason)
  }
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

  function onMessage(message: Exclude<ToThread, { type: 'abort' }>): void {
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
  return { transport, onMessage }
}
