import type { WorkerDefinition } from '../base/definitions.ts'
import { type ErrorRecord, recordOf } from '../base/error-record.ts'
import { HandlerExitError, HandlerMemoryError, HandlerTimeoutError, KilledError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Transport } from '../base/message.ts'
import { type Attempt, type Done, lostReason, type Outcome, type Runner, type Signals } from './attempt.ts'
import { answerBus } from './remote-bus.ts'
import type { End, SandboxProcess, StartSandbox } from './sandbox-process.ts'
import type { FromSandbox } from './sandbox-protocol.ts'
import { type Batch, createTrials } from './trials.ts'

export interface SandboxOptions {
  worker: string
  definition: Pick<WorkerDefinition, 'threads' | 'timeout' | 'memoryLimitMb'>
  log: Logger
  /** What the handlers' buses send through. */
  transport: Transport
  start: StartSandbox
  /** Milliseconds until another process is started where one could not: twice as long each time. */
  firstWaitMs?: number
}

/** A suspect that is here. */
interface Trial {
  readonly number: number
  readonly attempt: Attempt
  readonly signals: Signals
  /** Its process; undefined while it waits for one. */
  cell: Cell | undefined
  overdue: NodeJS.Timeout | undefined
  /** Tells how it has ended, once. */
  end(outcome: Outcome): void
  isOver: boolean
}

/** A process, and what runs in it. */
interface Cell {
  readonly process: SandboxProcess
  readonly isClosed: boolean
  /** By their numbers. */
  readonly running: Map<number, Trial>
  /** How many it has been given in its life. */
  given: number
  isReady: boolean
  /** It gets no more. */
  isSpent: boolean
  /** A drain has aborted what runs in it, and ends it soon. */
  isStopping: boolean
  /** Why it ends, where that is known before it does. */
  failure: ErrorRecord | undefined
  idle: NodeJS.Timeout | undefined
  /** Runs while it has something to do and says nothing. */
  silence: NodeJS.Timeout | undefined
}

/** Milliseconds that a process is kept that has nothing to do. */
const IDLE_TIMEOUT = 10_000
/** Milliseconds beyond its timeout until a handler that does not let its process say so is ended with it. */
const OVERDUE_GRACE = 1_000
/** Milliseconds that handlers get to clean up after a drain has aborted their signals. */
const STOP_GRACE = 100
const FIRST_WAIT = 250
const LONGEST_WAIT = 30_000
/** How many processes in a row may not start until those that wait for one fail: 8 seconds. */
const MOST_STARTS = 6

/**
 * Runs suspects in processes of their own, the sandbox: how such a process ends is seen here, and the worker's own process,
 * its connection and its other messages go on. The end of a process is charged to a message only if nothing else has ever
 * run in that process; any other end charges nobody, and leads to a closer look.
 */
export function createSandbox(options: SandboxOptions): Runner {
  const { worker, definition, log, transport, start, firstWaitMs = FIRST_WAIT } = options
  const { threads, timeout, memoryLimitMb } = definition
  // What a thread limits, a process can limit for one handler at a time.
  const trials = createTrials<Trial>({ isTogether: threads === 0 })
  const mostCells = Math.max(1, threads)
  const cells = new Set<Cell>()
  let last = 0
  /** Processes that could not start, in a row. */
  let failures = 0
  let waitsUntil: NodeJS.Timeout | undefined
  let isClosed = false

  function run(attempt: Attempt, signals: Signals, done: Done): void {
    const trial: Trial = { number: ++last, attempt, signals, cell: undefined, overdue: undefined, end, isOver: false }
    const onStop = () => stopTrial(trial)
    const onLost = () => loseTrial(trial)

    function end(outcome: Outcome): void {
      if (trial.isOver) return
      trial.isOver = true
      clearTimeout(trial.overdue)
      signals.stop.removeEventListener('abort', onStop)
      signals.lost.removeEventListener('abort', onLost)
      leave(trial)
      done(outcome)
    }

    signals.stop.addEventListener('abort', onStop)
    signals.lost.addEventListener('abort', onLost)
    trials.add(trial, attempt.deaths > 0)
    assign()
  }

  function assign(): void {
    if (isClosed || waitsUntil) return
    for (const cell of cells) {
      if (!cell.isClosed && !cell.isSpent) for (const trial of trials.more()) give(cell, trial)
    }
    while (trials.waiting > 0 && makeRoom()) {
      const batch = trials.next()
      if (batch) begin(batch)
    }
  }

  /** Ends a process that idles where there are as many as may be. @returns whether there may be another one */
  function makeRoom(): boolean {
    for (const cell of cells) {
      if (cells.size < mostCells) break
      if (cell.running.size === 0) retire(cell)
    }
    return cells.size < mostCells
  }

  function begin(batch: Batch<Trial>): void {
    const cell: Cell = {
      process: start({
        onMessage: (message) => receive(cell, message),
        onEnd: (how) => ended(cell, how),
      }),
      isClosed: batch.isClosed,
      running: new Map(),
      given: 0,
      isReady: false,
      isSpent: false,
      isStopping: false,
      failure: undefined,
      idle: undefined,
      silence: undefined,
    }
    cells.add(cell)
    for (const trial of batch.members) give(cell, trial)
  }

  function give(cell: Cell, trial: Trial): void {
    clearTimeout(cell.idle)
    trial.cell = cell
    cell.running.set(trial.number, trial)
    if (cell.isReady) post(cell, trial)
  }

  function post(cell: Cell, trial: Trial): void {
    cell.given++
    cell.silence ??= waitForWord(cell)
    cell.process.post({ type: 'run', number: trial.number, attempt: trial.attempt })
  }

  function receive(cell: Cell, message: FromSandbox): void {
    clearTimeout(cell.silence)
    cell.silence = cell.isReady && cell.running.size > 0 ? waitForWord(cell) : undefined
    if (message.type === 'ready') {
      cell.isReady = true
      failures = 0
      for (const trial of cell.running.values()) post(cell, trial)
    } else if (message.type === 'failed') cell.failure = message.error
    else if (message.type === 'deliver' || message.type === 'request') {
      void answerBus(message, transport, (answer) => cell.process.post(answer))
    } else {
      const trial = cell.running.get(message.number)
      if (message.type === 'ended') cell.isSpent ||= message.isSpent
      if (!trial) return
      if (message.type === 'started') watch(cell, trial)
      else trial.end(message.outcome)
    }
  }

  // What an earlier handler has left behind may keep the process too busy even to start another one: there is a word of each
  // that starts or ends, so there is one within the timeout.
  function waitForWord({ process }: Cell): NodeJS.Timeout {
    return setTimeout(process.kill, timeout + OVERDUE_GRACE)
  }

  // Its process ends it at its timeout, unless a handler keeps that process too busy.
  function watch(cell: Cell, trial: Trial): void {
    trial.overdue = setTimeout(() => {
      cell.failure = recordOf(new HandlerTimeoutError(worker, timeout))
      cell.process.kill()
    }, timeout + OVERDUE_GRACE)
  }

  function stopTrial(trial: Trial): void {
    const { cell, number, signals } = trial
    if (cell) {
      cell.process.post({ type: 'abort', number, how: 'stop', error: recordOf(signals.stop.reason) })
      if (!cell.isStopping) setTimeout(cell.process.kill, STOP_GRACE)
      cell.isStopping = cell.isSpent = true
    }
    trial.end({ status: 'stopped' })
  }

  function loseTrial(trial: Trial): void {
    const { cell, number, signals } = trial
    const reason = lostReason(signals.lost)
    if (cell?.isReady) cell.process.post({ type: 'abort', number, how: 'lost', error: recordOf(reason) })
    else trial.end({ status: 'stopped' })
  }

  function leave(trial: Trial): void {
    const { cell } = trial
    trials.remove(trial)
    trial.cell = undefined
    cell?.running.delete(trial.number)
    if (!cell || cell.running.size > 0) return
    clearTimeout(cell.silence)
    cell.silence = undefined
    if (cell.isStopping) return
    if (cell.isSpent || cell.isClosed) retire(cell)
    else cell.idle = setTimeout(retire, IDLE_TIMEOUT, cell)
    assign()
  }

  function retire(cell: Cell): void {
    clearTimeout(cell.idle)
    if (!cells.delete(cell)) return
    cell.process.end()
  }

  function ended(cell: Cell, how: End): void {
    clearTimeout(cell.idle)
    clearTimeout(cell.silence)
    cells.delete(cell)
    const under = [...cell.running.values()]
    cell.running.clear()
    for (const trial of under) {
      trial.cell = undefined
      clearTimeout(trial.overdue)
    }
    const [only] = under
    if (!cell.isReady) startAgain(cell, under)
    else if (only && cell.given === 1) only.end({ status: 'failed', error: deathOf(only, cell, how) })
    else if (under.length > 0) {
      log.warn({ messages: under.length, ...how }, 'a process of the sandbox ended: its messages are tried in halves')
      trials.split(under)
    }
    assign()
  }

  // Not by a message: none was given to it. But a worker's file may be one that only one process can load, because it listens
  // on a port: suspects that waited for ever would hold places that others need.
  function startAgain(cell: Cell, members: readonly Trial[]): void {
    if (members.length === 0) return
    const reason = cell.failure?.message ?? 'it ended while it loaded the worker'
    const wait = Math.min(firstWaitMs * 2 ** failures, LONGEST_WAIT)
    failures++
    log.error({ reason, againInMs: wait }, 'the sandbox could not start')
    waitsUntil = setTimeout(() => {
      waitsUntil = undefined
      assign()
    }, wait)
    if (failures < MOST_STARTS) {
      trials.again({ members, isClosed: cell.isClosed })
      return
    }
    const error = recordOf(new Error(`The sandbox of worker '${worker}' could not start: ${reason}`))
    for (const trial of members) trial.end({ status: 'failed', error })
  }

  /** What a message is charged with that was alone in its process. Where there are threads, as if it had been one. */
  function deathOf({ attempt }: Trial, { failure }: Cell, { code, signal, isOutOfMemory }: End): ErrorRecord {
    if (failure) return failure
    const how = signal ?? `exit code ${code}`
    if (threads > 0 && isOutOfMemory) return recordOf(new HandlerMemoryError(worker, memoryLimitMb))
    if (threads > 0 && signal === null && code !== null && code < 128)
      return recordOf(new HandlerExitError(worker, how))
    const ending = isOutOfMemory ? `${how}, its heap was full` : how
    return recordOf(new KilledError(worker, attempt.deaths + 1, ending))
  }

  return {
    run,
    async close() {
      isClosed = true
      clearTimeout(waitsUntil)
      for (const cell of cells) {
        clearTimeout(cell.idle)
        cell.process.kill()
      }
    },
  }
}
