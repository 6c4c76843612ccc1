import { Worker } from 'node:worker_threads'
import { createBus } from '../base/create-bus.ts'
import { loadWorker } from '../base/discovery.ts'
import { isA, recordOf, reviveError } from '../base/error-record.ts'
import { HandlerTimeoutError } from '../base/errors.ts'
import { createLogger, logSafely } from '../base/log.ts'
import { followMicrotasks, giveToWork, type UncaughtOrigin } from '../base/work.ts'
import type { Outcome, Runner } from './attempt.ts'
import { createInlineRunner } from './inline.ts'
import { createRemoteTransport } from './remote-bus.ts'
import { type FromSandbox, isMarked, type ToSandbox } from './sandbox-protocol.ts'

/** Ends the process with its parent, even while a handler keeps the event loop busy. */
const WATCH = `
const { workerData } = require('node:worker_threads')
setInterval(() => process.ppid === workerData || process.kill(process.pid, 'SIGKILL'), 1000)
`

/** Runs attempts for the worker's process that started this one, until that goes away or ends it. */
export async function serveSandbox(root: string, name: string, logLevel: string): Promise<void> {
  // pm2 signals all processes of a worker: when to end is the parent's to say.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  process.on('disconnect', () => process.exit(0))
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  new Worker(WATCH, { eval: true, workerData: process.ppid }).unref()
  const log = createLogger(name, logLevel)
  const { transport, onAnswer } = createRemoteTransport(post)
  const running = new Map<number, { stop: AbortController; lost: AbortController }>()
  /** A handler has been ended from outside: it may go on, and do harm in the name of the next one. */
  let isSpent = false
  const runner = await load()

  async function load(): Promise<Runner> {
    try {
      const { definition } = await loadWorker(root, name)
      return createInlineRunner({ worker: name, definition, log, bus: (of) => createBus(transport, of) })
    } catch (error) {
      post({ type: 'failed', error: recordOf(error) }, () => process.exit(1))
      return new Promise(() => {})
    }
  }

  followMicrotasks()
  process.on('uncaughtException', (error) => onUncaught(error, 'exception'))
  process.on('unhandledRejection', (error) => onUncaught(error, 'rejection'))
  process.on('message', (message) => {
    if (isMarked<ToSandbox>(message)) receive(message.warren)
  })
  post({ type: 'ready' })

  function onUncaught(error: unknown, origin: UncaughtOrigin): void {
    isSpent = true
    if (giveToWork(error, origin)) return
    const details = { err: recordOf(error) }
    logSafely(() => log.warn(details, 'what a handler left behind in the sandbox failed: no message is charged'))
  }

  function receive(message: ToSandbox): void {
    if (message.type === 'run') run(message)
    else if (message.type !== 'abort') onAnswer(message)
    else running.get(message.number)?.[message.how].abort(reviveError(message.error))
  }

  function run({ number, attempt }: Extract<ToSandbox, { type: 'run' }>): void {
    const [stop, lost] = [new AbortController(), new AbortController()]
    running.set(number, { stop, lost })
    // Written before the handler gets the chance to keep the event loop busy.
    post({ type: 'started', number })
    runner.run(attempt, { stop: stop.signal, lost: lost.signal }, (outcome) => ended(number, outcome))
  }

  function ended(number: number, outcome: Outcome): void {
    running.delete(number)
    isSpent ||= outcome.status === 'failed' && isA(outcome.error, HandlerTimeoutError)
    post({ type: 'ended', number, outcome, isSpent })
  }
}

function post(message: FromSandbox, sent?: () => void): void {
  // Without the parent there is nobody to tell, and 'disconnect' ends the process.
  if (process.connected) process.send?.({ warren: message }, undefined, undefined, () => sent?.())
}
