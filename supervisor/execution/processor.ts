import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { aborted } from '../base/aborted.ts'
import type { Backoff } from '../base/backoff.ts'
import { type ErrorRecord, recordOf } from '../base/error-record.ts'
import { KilledError, reasonOf } from '../base/errors.ts'
import { type Logger, logSafely } from '../base/log.ts'
import type { Headers, Incoming } from '../base/message.ts'
import { attemptOf, type Outcome, type Runner } from './attempt.ts'
import { createLookahead } from './lookahead.ts'
import { moveOn } from './move-on.ts'
import { deadLetterHeaders, decide, retryHeaders, type Settlement } from './settlement.ts'

type Failure = Extract<Settlement, { error: ErrorRecord }>

export interface ProcessorOptions {
  worker: string
  /** How many attempts run at once; more messages wait here, which a lost connection's redeliveries can cause. */
  concurrency: number
  /** How many attempts a message gets, and how long it waits between them. */
  attempts: number
  backoff: Backoff
  runner: Runner
  log: Logger
  /** Resolves when the broker has got every ack. */
  settled: () => Promise<void>
  /** These three move a message on. `bare`: without the headers that it came with. */
  isolate: (incoming: Incoming, options: { bare: boolean }) => Promise<void>
  retry: (incoming: Incoming, headers: Headers, options: { delayMs: number; bare: boolean }) => Promise<void>
  deadLetter: (incoming: Incoming, headers: Headers, options: { bare: boolean }) => Promise<void>
  reply: (to: NonNullable<Incoming['reply']>, body: Buffer, errorName?: string) => Promise<void>
  /** Told how many messages are in progress whenever that changes. */
  onProgress?: (count: number) => void
  /** Told how many messages the broker should let it have at a time. */
  onPrefetch?: (prefetch: number) => void
}

export interface Processor {
  /** Takes a message to its end: run, decide, settle. */
  handle(incoming: Incoming): void
  /** How many messages are here: those that run, and those that wait to. */
  readonly inProgress: number
  /** Resolves when there are none. */
  idle(): Promise<void>
  /**
   * Gives back what has not started and waits for what runs; at the deadline the rest is aborted and given back.
   * Messages that still arrive are given back too.
   */
  drain(deadline: AbortSignal): Promise<void>
}

/**
 * How often a message may come back until it is handled alone. Once is a process that ended, or a connection: most of
 * the many messages that come back with it are innocent.
 */
const SUSPECT_AFTER = 2
/** Milliseconds that handlers get to end after the drain's deadline aborted their signal. */
const ABORT_GRACE = 500

export function createProcessor(options: ProcessorOptions): Processor {
  const { worker, concurrency, attempts, backoff, runner, log, settled, isolate, retry, deadLetter, reply } = options
  const { onProgress = () => {}, onPrefetch = () => {} } = options
  const follow = createLookahead(concurrency, onPrefetch)
  const waiting: Incoming[] = []
  /** They run alone: no neighbour is there to be taken along, nor to take them along. */
  const suspects: Incoming[] = []
  let isAlone = false
  let running = 0
  let isStarting = false
  /** Who waits for nothing to run. */
  const idle: (() => void)[] = []
  const stop = new AbortController()
  // Every attempt in a thread listens, however many there are: no leak to warn of.
  setMaxListeners(0, stop.signal)
  let draining = false
  // Not even what to log is made where nobody logs it.
  const tellsEnd = log.isLevelEnabled('debug')

  function handle(incoming: Incoming): void {
    if (draining) run(incoming, putBack)
    // It has ended a process, or one of its neighbours has, or a connection was lost: to be found out one by one.
    else if (!incoming.isSuspect && incoming.suspects !== undefined && incoming.returns >= SUSPECT_AFTER) {
      run(incoming, suspect)
    } else {
      const queue = incoming.isSuspect ? suspects : waiting
      queue.push(incoming)
      startNext()
    }
    onProgress(inProgress())
  }

  function startNext(): void {
    // A handler that ends at once gets here before the one that started it has left.
    if (isAlone || isStarting) return
    isStarting = true
    const suspect = next(suspects)
    if (suspect && running > 0) {
      // It waits for what runs to end; nothing else begins meanwhile.
      suspects.unshift(suspect)
    } else if (suspect) {
      isAlone = true
      run(suspect, processAlone)
    } else {
      while (running < concurrency) {
        const following = next(waiting)
        if (!following) break
        running++
        process(following, finished)
      }
    }
    isStarting = false
  }

  // What came over a connection that is gone will come again: it is not worth an attempt.
  function next(messages: Incoming[]): Incoming | undefined {
    if (messages.length === 0) return undefined
    let following = messages.shift()
    while (following?.lost.aborted) following = messages.shift()
    return following
  }

  function run(incoming: Incoming, action: (incoming: Incoming) => Promise<void>): void {
    running++
    action(incoming)
      .catch((error) => giveBack(incoming, error))
      .finally(finished)
  }

  function finished(): void {
    running--
    startNext()
    onProgress(inProgress())
    if (running > 0) return
    for (const tell of idle.splice(0)) tell()
  }

  function inProgress(): number {
    return running + waiting.length + suspects.length
  }

  async function processAlone(incoming: Incoming): Promise<void> {
    try {
      // What has been acked must not come back with it, should it end the process at once.
      await settled().catch(() => {})
      if (incoming.lost.aborted) return
      const counted = { ...incoming, attempt: incoming.attempt + incoming.returns }
      await new Promise<void>((resolve) => process(counted, resolve))
    } finally {
      isAlone = false
    }
  }

  async function suspect(incoming: Incoming): Promise<void> {
    const { id, returns } = incoming
    log.warn({ id, returns }, 'a message came back more than once: it will be handled alone')
    if (await move(incoming, (bare) => isolate(incoming, { bare }))) incoming.ack()
    else incoming.requeue()
  }

  // Unless it ended its process, a suspect must not look as if it had: each time it comes back counts.
  async function putBack(incoming: Incoming): Promise<void> {
    const copied =
      incoming.isSuspect &&
      (await isolate(incoming, { bare: false }).then(
        () => true,
        () => false,
      ))
    if (copied) incoming.ack()
    else incoming.requeue()
  }

  // Whatever goes wrong here, the message is not lost, and its neighbours go on.
  function giveBack(incoming: Incoming, error: unknown): void {
    incoming.requeue()
    const details = { err: recordOf(error), id: incoming.id }
    logSafely(() => log.error(details, 'a message could not be settled: it goes back to its queue'))
  }

  /** Takes a message to its end: run, decide, settle. */
  function process(incoming: Incoming, finished: () => void): void {
    const started = performance.now()
    const { attempt } = incoming
    const killed = incoming.isSuspect && incoming.returns > 0 && attempt > attempts
    if (killed) conclude({ status: 'failed', error: recordOf(new KilledError(worker, incoming.returns)) })
    else runner.run(attemptOf(incoming, attempts), stop.signal, conclude)

    function conclude(outcome: Outcome): void {
      try {
        const chances = { attempt, attempts, backoff, isCall: incoming.reply !== undefined }
        const settlement = decide(outcome, chances, Math.random())
        const took = performance.now() - started
        // One that has come back may have ended its process: until it is known which, few are to be taken along.
        if (incoming.returns === 0) follow(took, incoming.body.length)
        // What nearly all messages come to needs no promise.
        const isAtOnce = settlement.action === 'ack' && !incoming.reply
        if (isAtOnce) incoming.ack()
        else void settleLater(outcome, settlement)
        // Only now: what is logged of a message must not stand between its outcome and its settlement.
        if ('error' in settlement) logSafely(() => tellFailure(incoming, settlement))
        else if (tellsEnd) logSafely(() => tellEnd(incoming, settlement, Math.round(took)))
        if (!isAtOnce) return
      } catch (error) {
        giveBack(incoming, error)
      }
      finished()
    }

    async function settleLater(outcome: Outcome, settlement: Settlement): Promise<void> {
      try {
        if (incoming.reply) await answer(incoming.reply, outcome)
        await settle(incoming, settlement)
      } catch (error) {
        giveBack(incoming, error)
      }
      finished()
    }
  }

  async function settle(incoming: Incoming, settlement: Settlement): Promise<void> {
    if (settlement.action === 'requeue') return putBack(incoming)
    const isMoved = settlement.action === 'ack' || (await move(incoming, mover(incoming, settlement)))
    if (!isMoved) return putBack(incoming)
    // Only now: up to the confirm of its copy, the message itself is the one that counts.
    incoming.ack()
  }

  /** How a failed message goes on: to its next attempt, or to the dead letters. */
  function mover(incoming: Incoming, settlement: Failure): (bare: boolean) => Promise<void> {
    const { attempt } = incoming
    const { reason, error } = settlement
    const facts = { attempt, at: new Date(), before: incoming.properties.headers }
    if (settlement.action === 'retry') {
      const { delayMs } = settlement
      return (bare) => retry(incoming, retryHeaders(facts), { delayMs, bare })
    }
    const headers = deadLetterHeaders({ ...facts, reason, error, attempts: attempt, worker, host: hostname() })
    return (bare) => deadLetter(incoming, headers, { bare })
  }

  function move(incoming: Incoming, send: (bare: boolean) => Promise<void>): Promise<boolean> {
    return moveOn(incoming, send, { stop: stop.signal, log })
  }

  // Replies are at most once, by direct reply-to's nature: a lost one ends as its caller's timeout.
  async function answer(to: NonNullable<Incoming['reply']>, outcome: Outcome): Promise<void> {
    if (outcome.status === 'stopped') return
    const [body, errorName] =
      outcome.status === 'done' ? [outcome.result ?? 'null'] : [outcome.error.message, outcome.error.name]
    await reply(to, Buffer.from(body), errorName).catch((error) =>
      log.debug({ reason: reasonOf(error) }, 'a reply could not be sent'),
    )
  }

  function tellEnd({ id, attempt, requestId }: Incoming, { action }: Settlement, ms: number): void {
    log.debug({ id, attempt, ...(requestId && { requestId }), ms }, action === 'ack' ? 'handled' : 'given back')
  }

  function tellFailure({ id, attempt, requestId, deadLetters }: Incoming, settlement: Failure): void {
    const { reason, error } = settlement
    const details = { err: error, id, attempt, ...(requestId && { requestId }), reason }
    if (settlement.action === 'dead-letter') log.error({ ...details, queue: deadLetters }, 'dead letter')
    else log.warn({ ...details, delayMs: settlement.delayMs }, 'an attempt has failed: trying again')
  }

  function nothingRuns(): Promise<void> {
    return running === 0 ? Promise.resolve() : new Promise((resolve) => void idle.push(resolve))
  }

  return {
    handle,
    get inProgress() {
      return inProgress()
    },
    idle: nothingRuns,
    async drain(deadline) {
      draining = true
      for (const incoming of [...waiting.splice(0), ...suspects.splice(0)]) run(incoming, putBack)
      const finished = nothingRuns()
      await Promise.race([finished, aborted(deadline)])
      if (running === 0) return
      log.warn({ running }, 'the shutdown timeout is over: aborting what still runs, and giving it back')
      stop.abort(new Error('the process is stopping'))
      await Promise.race([finished, delay(ABORT_GRACE)])
    },
  }
}
