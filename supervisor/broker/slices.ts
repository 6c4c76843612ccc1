import { soon } from './guard.ts'
import type { Pressure } from './pressure.ts'
import { createDeque } from './store/deque.ts'

/** Milliseconds that sliced work gets in a turn of the event loop: everybody else waits as long. */
const TURN_MS = 5

/** Work in steps, each of which takes microseconds: a generator that yields between them. */
export type Steps = Iterator<unknown>

/** Work over many things, done in slices, so that no turn of the event loop is long. */
export interface Slices {
  /**
   * Does the work: at once as far as this turn has time for it, and the rest in later turns. Work of one owner is done in
   * order; what a step starts is done before the next step, so that it can't pile up.
   * @param finished called when it is done, unless that is now
   * @returns whether it is done
   */
  run(owner: object, steps: Steps, finished?: () => void): boolean
  /** Whether a step is being done: what it starts comes before the next one. */
  readonly isRunning: boolean
  /** Drops what is left. */
  close(): void
}

/**
 * Does steps in slices.
 * @returns what they return, if they are done at once; otherwise it resolves with that, or rejects with what they throw
 * @throws what they throw at once
 */
export function inSlices<T>(slices: Slices, owner: object, steps: Iterator<unknown, T>): T | Promise<T> {
  let outcome: { value: T } | { error: unknown } | undefined
  let settle = () => {}

  function* work(): Generator<void> {
    try {
      for (let next = steps.next(); ; next = steps.next()) {
        if (next.done) {
          outcome = { value: next.value }
          return
        }
        yield
      }
    } catch (error) {
      outcome = { error }
    }
  }

  function result(): T {
    if (outcome && 'value' in outcome) return outcome.value
    throw outcome?.error
  }

  if (slices.run(owner, work(), () => settle())) return result()
  return new Promise<void>((resolve) => {
    settle = resolve
  }).then(result)
}

export interface SlicesOptions {
  /** A step has thrown, which ends its work and no other. */
  onError(error: unknown): void
  pressure?: Pressure
  /** @default 5 */
  turnMs?: number
  /** Milliseconds of any clock. @default performance.now */
  now?: () => number
}

interface Job {
  readonly steps: Steps
  finished: (() => void) | undefined
  isDone: boolean
}

/** The work of one owner. */
interface Line {
  readonly owner: object
  /** What is being done, at the end, and before it what has started that. */
  readonly stack: Job[]
  readonly waiting: ReturnType<typeof createDeque<Job>>
  /** Where in the stack goes what the present step starts: on top of it, and below what it has started before. */
  top: number
}

const CALM: Pressure = { isBusy: () => false, whenCalm: (action) => action() }

export function createSlices(options: SlicesOptions): Slices {
  const { onError, pressure = CALM, turnMs = TURN_MS, now = () => performance.now() } = options
  /** Whose turn it is, first. */
  const lines = new Map<object, Line>()
  let running: Line | undefined
  /** Milliseconds of this turn. */
  let spent = 0
  let isScheduled = false
  let isHeld = false
  let isClosed = false

  function schedule(): void {
    if (isScheduled || isClosed) return
    isScheduled = true
    soon(onError, turn)
  }

  function turn(): void {
    isScheduled = false
    spent = 0
    for (let [line] = lines.values(); line && spent < turnMs && !hold(); [line] = lines.values()) {
      lines.delete(line.owner)
      lines.set(line.owner, line)
      work(line)
    }
    if (lines.size > 0 && !isHeld) schedule()
  }

  /** Whether nothing goes on until the disk has caught up. */
  function hold(): boolean {
    if (!isHeld && pressure.isBusy()) {
      isHeld = true
      pressure.whenCalm(() => {
        isHeld = false
        if (lines.size > 0) schedule()
      })
    }
    return isHeld
  }

  /** Does a line's work until it is done, or the turn's time is up. */
  function work(line: Line): void {
    const began = now()
    const end = began + turnMs - spent
    let time = began
    running = line
    for (let job = next(line); job && time < end && !hold(); job = next(line)) {
      step(line, job)
      time = now()
    }
    running = undefined
    if (line.stack.length === 0) lines.delete(line.owner)
    spent += time - began
    // The time begins anew with the next turn.
    schedule()
  }

  function next({ stack, waiting }: Line): Job | undefined {
    if (stack.length === 0) {
      const job = waiting.shift()
      if (job) stack.push(job)
    }
    return stack.at(-1)
  }

  function step(line: Line, job: Job): void {
    try {
      line.top = line.stack.length
      if (!job.isDone) job.isDone = job.steps.next().done === true
      if (!job.isDone || line.stack.at(-1) !== job) return
      line.stack.pop()
      line.top = line.stack.length
      job.finished?.()
    } catch (error) {
      // One that fails in `finished` has left the stack already.
      job.isDone = true
      onError(error)
    }
  }

  return {
    run(owner, steps, finished) {
      const job: Job = { steps, finished, isDone: false }
      if (isClosed) return false
      if (running) {
        running.stack.splice(running.top, 0, job)
        return false
      }
      const line = lines.get(owner)
      if (line) {
        line.waiting.push(job)
        return false
      }
      const fresh: Line = { owner, stack: [job], waiting: createDeque(), top: 1 }
      lines.set(owner, fresh)
      job.finished = undefined
      if (spent < turnMs) work(fresh)
      if (lines.get(owner) !== fresh) return true
      job.finished = finished
      schedule()
      return false
    },

    get isRunning() {
      return running !== undefined
    },

    close() {
      isClosed = true
      lines.clear()
    },
  }
}
