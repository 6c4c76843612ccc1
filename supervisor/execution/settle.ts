import { hostname } from 'node:os'
import type { Backoff } from '../base/backoff.ts'
import { type ErrorRecord, recordOf } from '../base/error-record.ts'
import { reasonOf } from '../base/errors.ts'
import { type Logger, logSafely } from '../base/log.ts'
import type { Headers, Incoming } from '../base/message.ts'
import type { Outcome } from './attempt.ts'
import { type Moved, moveOn } from './move-on.ts'
import { deadLetterHeaders, decide, retryHeaders, type Settlement } from './settlement.ts'

type Failure = Extract<Settlement, { error: ErrorRecord }>

export interface SettlerOptions {
  worker: string
  /** How many attempts a message gets, and how long it waits between them. */
  attempts: number
  backoff: Backoff
  log: Logger
  /** These three move a message on. `bare`: without the headers that it came with. */
  isolate: (incoming: Incoming, options: { bare: boolean }) => Promise<void>
  retry: (
    incoming: Incoming,
    headers: Headers,
    /** `asSuspect`: to the suspects. */
    options: { delayMs: number; bare: boolean; asSuspect: boolean },
  ) => Promise<void>
  deadLetter: (incoming: Incoming, headers: Headers, options: { bare: boolean }) => Promise<void>
  reply: (to: NonNullable<Incoming['reply']>, body: Buffer, errorName?: string) => Promise<void>
}

export interface Settler {
  /** Settles a message, as the outcome of its attempt says. @param took milliseconds that it ran */
  conclude(incoming: Incoming, outcome: Outcome, took: number): void
  /** Moves a message to the suspects. */
  isolate(incoming: Incoming): void
  /** How many wait for their copies, or for their replies, to be sent. */
  readonly size: number
}

/**
 * Brings messages to their ends: acknowledged, given back, or moved on and then acknowledged. None holds a place among
 * those that run meanwhile: how many there are is for the prefetch to bound.
 * @param options.stop aborted when the time of a drain is over
 * @param options.onSettled told whenever one that took a while is settled
 */
export function createSettler(options: SettlerOptions & { stop: AbortSignal; onSettled: () => void }): Settler {
  const { worker, attempts, backoff, log, isolate, retry, deadLetter, reply, stop, onSettled } = options
  // Not even what to log is made where nobody logs it.
  const tellsEnd = log.isLevelEnabled('debug')
  let size = 0
  let isolated = 0

  function conclude(incoming: Incoming, outcome: Outcome, took: number): void {
    try {
      const { attempt } = incoming
      const isCall = incoming.reply !== undefined
      const settlement = decide(outcome, { attempt, attempts, backoff, isCall }, Math.random())
      // What nearly all messages come to needs no promise.
      if (settlement.action === 'ack' && !isCall) incoming.ack()
      else if (settlement.action === 'requeue') incoming.requeue()
      else later(incoming, settle(incoming, settlement, outcome))
      // Only now: what is logged of a message must not stand between its outcome and its settlement.
      if (!('error' in settlement) && tellsEnd) logSafely(() => tellEnd(incoming, settlement, Math.round(took)))
    } catch (error) {
      giveBack(incoming, error)
    }
  }

  function later(incoming: Incoming, work: Promise<void>): void {
    size++
    work
      .catch((error) => giveBack(incoming, error))
      .finally(() => {
        size--
        onSettled()
      })
  }

  // Whatever goes wrong here, the message is not lost, and its neighbours go on.
  function giveBack(incoming: Incoming, error: unknown): void {
    incoming.requeue()
    const details = { err: recordOf(error), id: incoming.id }
    logSafely(() => log.error(details, 'a message could not be settled: it goes back to its queue'))
  }

  async function settle(
    incoming: Incoming,
    settlement: Exclude<Settlement, { action: 'requeue' }>,
    outcome: Outcome,
  ): Promise<void> {
    if (incoming.reply) await answer(incoming.reply, outcome)
    if (settlement.action === 'ack') incoming.ack()
    else await moveFailed(incoming, settlement)
  }

  async function moveFailed(incoming: Incoming, failure: Failure): Promise<void> {
    const moved = await move(incoming, sender(incoming, failure), failure)
    if (moved !== 'refused') return
    const { reason, error } = failure
    return moveFailed(incoming, { action: 'dead-letter', reason, error })
  }

  /** How a failed message goes on: to its next attempt, or to the dead letters. */
  function sender(incoming: Incoming, settlement: Failure): (bare: boolean) => Promise<void> {
    const { attempt } = incoming
    const { reason, error } = settlement
    const facts = { attempt, at: new Date(), before: incoming.properties.headers }
    if (settlement.action === 'retry') {
      const { delayMs } = settlement
      const asSuspect = reason === 'killed'
      const headers = retryHeaders({ ...facts, deaths: incoming.deaths + (asSuspect ? 1 : 0) })
      return (bare) => retry(incoming, headers, { delayMs, bare, asSuspect })
    }
    const headers = deadLetterHeaders({ ...facts, reason, error, attempts: attempt, worker, host: hostname() })
    return (bare) => deadLetter(incoming, headers, { bare })
  }

  /** Acknowledges a message when there is a copy of it: up to the copy's confirm the message itself is what counts. */
  async function move(
    incoming: Incoming,
    send: (bare: boolean) => Promise<void>,
    failure: Failure | undefined,
  ): Promise<Moved> {
    let isTold = failure === undefined
    function tell(): void {
      if (isTold || !failure) return
      isTold = true
      logSafely(() => tellFailure(incoming, failure))
    }
    const keepsTrying = failure?.action === 'dead-letter'
    const moved = await moveOn(incoming, send, { stop, log, onWait: tell, keepsTrying })
    if (moved === 'moved') incoming.ack()
    else if (moved === 'stopped') incoming.requeue()
    if (moved !== 'void') tell()
    return moved
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
    conclude,
    isolate(incoming) {
      later(incoming, isolateNow(incoming))
      isolated++
      if (isolated === 1) setImmediate(tellIsolated, incoming.id)
    },
    get size() {
      return size
    },
  }

  // One line for all that come back together: they may be thousands.
  function tellIsolated(first: string): void {
    const details = { messages: isolated, id: first }
    isolated = 0
    logSafely(() => log.warn(details, 'messages came back more than once: they go to the sandbox'))
  }

  async function isolateNow(incoming: Incoming): Promise<void> {
    const moved = await move(incoming, (bare) => isolate(incoming, { bare }), undefined)
    // It can't go to the suspects: so it is tried again here.
    if (moved === 'refused') incoming.requeue()
  }
}
