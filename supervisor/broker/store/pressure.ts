import { attempt, type OnFault, soon } from '../guard.ts'

/** What waits for the next commit, and who waits for it to become less. */
export interface Pressure {
  /** Bytes that no commit has taken up yet. */
  readonly waiting: number
  /** Bytes of the commit that is under way, or failed and is tried again. */
  readonly underway: number
  /** So much waits that no more should be asked for. */
  isBusy(): boolean
  /** Runs the action once the store is not busy, and never synchronously; one action may make it busy for the next. */
  whenCalm(action: () => void): void
  add(bytes: number): void
  /** A commit takes up what waits. */
  taken(): void
  failed(): void
  committed(): void
}

/** How long those that have waited keep the event loop, in ms: each may have much to say. */
const SLICE_MS = 5

/** @param bound bytes that may wait; a single change can exceed it */
export function createPressure(bound: number, onFault: OnFault): Pressure {
  let waiting = 0
  let underway = 0
  let hasFailed = false
  let actions: (() => void)[] = []
  let isScheduled = false

  // What a commit is writing makes nobody wait, as that will end. What it can't write does: it may stay for long.
  const isBusy = () => waiting + (hasFailed ? underway : 0) >= bound

  function wake() {
    if (isScheduled || actions.length === 0 || isBusy()) return
    isScheduled = true
    soon(onFault, run)
  }

  function run() {
    isScheduled = false
    const end = performance.now() + SLICE_MS
    const due = actions
    actions = []
    let done = 0
    for (const action of due) {
      done++
      attempt(onFault, action)
      if (isBusy() || performance.now() > end) break
    }
    // In the order in which they came.
    actions = [...due.slice(done), ...actions]
    wake()
  }

  return {
    get waiting() {
      return waiting
    },
    get underway() {
      return underway
    },
    isBusy,
    whenCalm(action) {
      actions.push(action)
      wake()
    },
    add(bytes) {
      waiting += bytes
    },
    taken() {
      underway += waiting
      waiting = 0
      wake()
    },
    failed() {
      hasFailed = true
    },
    committed() {
      underway = 0
      hasFailed = false
      wake()
    },
  }
}
