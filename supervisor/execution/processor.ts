import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { aborted } from '../base/aborted.ts'
import type { Backoff } from '../base/backoff.ts'
import { KilledError, reasonOf, ThreadStartError, UnavailableError, WarrenError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Headers, Incoming } from '../base/message.ts'
import { toError } from '../base/thrown.ts'
import { attemptOf, type Runner } from './attempt.ts'
import { deadLetterHeaders, decide, type Outcome, retryHeaders, type Settlement } from './settlement.ts'

type Failure = Extract<Settlement, { error: Error }>

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
  /** Told how many messages are here whenever that changes. */
  onProgress?: (count: number) => void
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
/** Milliseconds between tries to move a failed message on while the broker is away: it stays unacked meanwhile. */
const MOVE_RETRY = 1_000
/** Milliseconds that handlers get to end after the drain's deadline aborted their signal. */
const ABORT_GRACE = 500

export function createProcessor(options: ProcessorOptions): Processor {
  const { worker, concurrency, attempts, backoff, runner, log, settled, isolate, retry, deadLetter, reply } = options
  const { onProgress = () => {} } = options
  const waiting: Incoming[] = []
  /** They run alone: no neighbour is there to be taken along, nor to take them along. */
  const suspects: Incoming[] = []
  let isAlone = false
  const running = new Set<Promise<void>>()
  const stop = new AbortController()
  // Every running attempt listens, however many there are: no leak to warn of.
  setMaxListeners(0, stop.signal)
  let draining = false

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
    if (isAlone) return
    const suspect = next(suspects)
    if (suspect && running.size > 0) {
      // It waits for what runs to end; nothing else begins meanwhile.
      suspects.unshift(suspect)
    } else if (suspect) {
      isAlone = true
      run(suspect, processAlone)
    } else {
      while (running.size < concurrency) {
        const following = next(waiting)
        if (!following) return
        run(following, process)
      }
    }
  }

  // What came over a connection that is gone will come again: it is not worth an attempt.
  function next(messages: Incoming[]): Incoming | undefined {
    let following = messages.shift()
    while (following?.lost.aborted) following = messages.shift()
    return following
  }

  function run(incoming: Incoming, action: (incoming: Incoming) => Promise<void>): void {
    const done = action(incoming)
      .catch((error) => giveBack(incoming, error))
      .finally(() => {
        running.delete(done)
        startNext()
        onProgress(inProgress())
      })
    running.add(done)
  }

  function inProgress(): number {
    return running.size + waiting.length + suspects.length
  }

  async function processAlone(incoming: Incoming): Promise<void> {
    try {
      // What has been acked must not come back with it, should it end the process at once.
      await settled().catch(() => {})
      if (incoming.lost.aborted) return
      await process({ ...incoming, attempt: incoming.attempt + incoming.returns })
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
    log.error({ err: error, id: incoming.id }, 'a message could not be settled: it goes back to its queue')
    incoming.requeue()
  }

  async function process(incoming: Incoming): Promise<void> {
    const started = performance.now()
    const killed = incoming.isSuspect && incoming.returns > 0 && incoming.attempt > attempts
    const outcome: Outcome = killed
      ? { status: 'failed', error: new KilledError(worker, incoming.returns) }
      : await attempt(incoming)
    const { attempt: count } = incoming
    const chances = { attempt: count, attempts, backoff, isCall: incoming.reply !== undefined }
    const settlement = decide(outcome, chances, Math.random())
    if ('error' in settlement) tellFailure(incoming, settlement)
    else tellEnd(incoming, settlement, Math.round(performance.now() - started))
    if (incoming.reply) await answer(incoming.reply, outcome)
    await settle(incoming, settlement)
  }

  async function attempt(incoming: Incoming): Promise<Outcome> {
    try {
      return { status: 'done', result: await runner.run(attemptOf(incoming, attempts), stop.signal) }
    } catch (error) {
      if (stop.signal.aborted && error === stop.signal.reason) return { status: 'stopped' }
      // The message is not to blame: the process is about to be replaced.
      if (error instanceof ThreadStartError) return { status: 'stopped' }
      return { status: 'failed', error: toError(error) }
    }
  }

  async function settle(incoming: Incoming, settlement: Settlement): Promise<void> {
    if (settlement.action === 'requeue') return putBack(incoming)
    if (settlement.action !== 'ack' && !(await move(incoming, mover(incoming, settlement)))) return putBack(incoming)
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

  // Tries until the broker has confirmed the copy, or the message is no longer ours to settle.
  async function move(incoming: Incoming, send: (bare: boolean) => Promise<void>): Promise<boolean> {
    let bare = false
    for (;;) {
      try {
        await send(bare)
        return true
      } catch (error) {
        if (incoming.lost.aborted || stop.signal.aborted) return false
        const details = { id: incoming.id, reason: reasonOf(error) }
        if (error instanceof UnavailableError) log.debug(details, 'a failed message waits for the broker')
        else log.error(details, 'a failed message could not be moved on; trying again')
        // What can't be encoded never will be: headers have 64 KiB, and the sender's may fill them.
        bare ||= !(error instanceof WarrenError)
        const given = AbortSignal.any([incoming.lost, stop.signal])
        await delay(MOVE_RETRY, undefined, { signal: given }).catch(() => {})
      }
    }
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

  return {
    handle,
    get inProgress() {
      return inProgress()
    },
    idle: () => allOf(running),
    async drain(deadline) {
      draining = true
      for (const incoming of [...waiting.splice(0), ...suspects.splice(0)]) run(incoming, putBack)
      const finished = allOf(running)
      await Promise.race([finished, aborted(deadline)])
      if (running.size === 0) return
      log.warn({ running: running.size }, 'the shutdown timeout is over: aborting what still runs, and giving it back')
      stop.abort(new Error('the process is stopping'))
      await Promise.race([finished, delay(ABORT_GRACE)])
    },
  }
}

async function allOf(running: ReadonlySet<Promise<void>>): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running)
}
