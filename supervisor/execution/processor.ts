import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { aborted } from '../base/aborted.ts'
import type { Incoming } from '../base/message.ts'
import { suspectsAtOnce } from '../base/suspects.ts'
import { attemptOf, type Outcome, type Runner, type Signals } from './attempt.ts'
import { createLookahead } from './lookahead.ts'
import { createRuns, type Run } from './runs.ts'
import { createSettler, type SettlerOptions } from './settle.ts'
import { createSuspects } from './suspect-turns.ts'

export interface ProcessorOptions extends SettlerOptions {
  /** How many attempts run at once; more messages wait here. */
  concurrency: number
  runner: Runner
  /** Runs suspects, where what they do to their process harms nobody else. */
  sandbox: Runner
  /** Told how many messages are in progress whenever that changes. */
  onProgress?: (count: number) => void
  /** Told how many messages the broker should let it have at a time. */
  onPrefetch?: (prefetch: number) => void
  /** Told once, when a message has left the process alive. */
  onFirst?: () => void
}

export interface Processor {
  /** Takes a message to its end: run, decide, settle. */
  handle(incoming: Incoming): void
  /** How many messages are here: those that run, wait to, or are being settled. */
  readonly inProgress: number
  /** Resolves when none runs or is being settled. */
  idle(): Promise<void>
  /**
   * Gives back what has not started and waits for what runs; at the deadline the rest is aborted and given back.
   * Messages that still arrive are given back too.
   */
  drain(deadline: AbortSignal): Promise<void>
}

/**
 * How often a message may come back until it is handled in the sandbox. Once is a process that ended, or a connection: most
 * of the many messages that come back with it are innocent.
 */
const SUSPECT_AFTER = 2
/** Milliseconds that handlers get to end after the drain's deadline aborted their signal. */
const ABORT_GRACE = 500

/** Takes messages in, runs their handlers, as many at once as there may be, and has them settled. */
export function createProcessor(options: ProcessorOptions): Processor {
  const { concurrency, attempts, runner, sandbox, onProgress = () => {}, onPrefetch = () => {} } = options
  let { onFirst } = options
  const follow = createLookahead(concurrency, onPrefetch)
  const runs = createRuns()
  let waiting: Incoming[] = []
  const suspects = createSuspects(startNext)
  /** How many of those that run are suspects. */
  let suspectsRunning = 0
  const mostSuspects = suspectsAtOnce(concurrency)
  let isStarting = false
  /** Who waits for nothing to be under way. */
  const idle: (() => void)[] = []
  const stop = new AbortController()
  // Every attempt in a thread listens, however many there are: no leak to warn of.
  setMaxListeners(0, stop.signal)
  let draining = false
  /** Of the connection that the last message came by. */
  let latest: Signals = { stop: stop.signal, lost: AbortSignal.abort() }
  const settler = createSettler({ ...options, stop: stop.signal, onSettled: changed })

  function handle(incoming: Incoming): void {
    // It was read, or kept back, before the loss was noticed. Nobody would know of its run when it comes again.
    if (incoming.lost.aborted) return
    if (incoming.lost !== latest.lost) watch(incoming.lost)
    if (draining) incoming.requeue()
    else if (!runs.join(incoming)) admit(incoming)
    onProgress(inProgress())
  }

  function admit(incoming: Incoming): void {
    // It has ended a process, or one of its neighbours has, or a connection was lost: to be found out where it does no harm.
    if (!incoming.isSuspect && incoming.suspects !== undefined && incoming.returns >= SUSPECT_AFTER) {
      settler.isolate(incoming)
      return
    }
    if (incoming.isSuspect) suspects.push(incoming)
    else waiting.push(incoming)
    startNext()
  }

  // One listener for all that comes by a connection.
  function watch(lost: AbortSignal): void {
    latest = { stop: stop.signal, lost }
    setMaxListeners(0, lost)
    lost.addEventListener('abort', function onLost() {
      // What has not started will come again.
      waiting = waiting.filter((incoming) => incoming.lost !== lost)
      suspects.remove((incoming) => incoming.lost === lost)
      runs.lose(lost)
      onProgress(inProgress())
    })
  }

  function startNext(): void {
    // A handler that ends at once gets here before the one that started it has left.
    if (isStarting) return
    isStarting = true
    while (runs.size < concurrency) {
      const following = next()
      if (!following) break
      start(following)
    }
    isStarting = false
  }

  function next(): Incoming | undefined {
    const suspect = suspectsRunning < mostSuspects ? suspects.next(suspectsRunning) : undefined
    if (suspect) return suspect
    return waiting.length > 0 ? waiting.shift() : undefined
  }

  function start(incoming: Incoming): void {
    if (incoming.isSuspect) suspectsRunning++
    const run = runs.begin(incoming)
    const signals = incoming.lost === latest.lost ? latest : { stop: stop.signal, lost: incoming.lost }
    const where = incoming.isSuspect ? sandbox : runner
    where.run(attemptOf(incoming, attempts), signals, (outcome) => ended(run, outcome))
  }

  function ended(run: Run, outcome: Outcome): void {
    const { isSuspect, returns, body } = run.incoming
    const took = performance.now() - run.began
    const incoming = runs.end(run)
    if (isSuspect) suspectsRunning--
    // One that has come back may have ended its process: until it is known which, few are to be taken along.
    else if (returns === 0) follow(took, body.length)
    // What a void run has come to is good enough if it is a success; otherwise the redelivery has its own attempt.
    const isItsOwn = incoming === run.incoming || outcome.status === 'done'
    if (incoming) {
      if (isItsOwn) settler.conclude(incoming, outcome, took)
      else if (draining) incoming.requeue()
      else admit(incoming)
    }
    startNext()
    changed()
  }

  // After each message.
  function changed(): void {
    if (onFirst) {
      onFirst()
      onFirst = undefined
    }
    onProgress(inProgress())
    if (runs.size > 0 || settler.size > 0) return
    for (const tell of idle.splice(0)) tell()
  }

  function inProgress(): number {
    return runs.size + waiting.length + suspects.size + settler.size
  }

  function nothingRuns(): Promise<void> {
    return runs.size + settler.size === 0 ? Promise.resolve() : new Promise((resolve) => void idle.push(resolve))
  }

  return {
    handle,
    get inProgress() {
      return inProgress()
    },
    idle: nothingRuns,
    async drain(deadline) {
      draining = true
      for (const incoming of [...waiting.splice(0), ...suspects.remove(() => true)]) incoming.requeue()
      const finished = nothingRuns()
      await Promise.race([finished, aborted(deadline)])
      const running = runs.size + settler.size
      if (running === 0) return
      options.log.warn({ running }, 'the shutdown timeout is over: aborting what still runs, and giving it back')
      stop.abort(new Error('the process is stopping'))
      await Promise.race([finished, delay(ABORT_GRACE)])
    },
  }
}
