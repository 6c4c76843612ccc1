import { attempt, type OnFault, soon } from '../guard.ts'
import { createDeque } from '../store/deque.ts'

/**
 * Milliseconds that the frames of all clients get in a turn of the event loop: a message for many queues takes longer than
 * its frames, of which one chunk of a socket holds hundreds, and there may be a thousand sockets.
 */
const TURN_MS = 5

/** Milliseconds of them that one client gets while others wait. */
const SHARE_MS = 1

/** Divides each turn of the event loop among the clients that have sent something. */
export interface FrameTurns {
  /** Whether frames have had their time in this turn. @param since when the frames of this client began, by the same clock */
  isOver(since?: number): boolean
  /** Runs the action in a later turn that has time, after those that wait already. */
  wait(action: () => void): void
}

/** @param now milliseconds of any clock */
export function createFrameTurns(onFault: OnFault, now = () => performance.now()): FrameTurns {
  /** When this turn's time is over; undefined before the first frame. */
  let ends: number | undefined
  const waiting = createDeque<() => void>()
  let isScheduled = false

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    soon(onFault, begin)
  }

  function begin(): void {
    isScheduled = false
    ends = undefined
    // One of them at least, however long the turn takes otherwise; and none twice.
    for (let due = waiting.length; due > 0; due--) {
      const action = waiting.shift()
      if (action) attempt(onFault, action)
      if (isOver()) break
    }
    if (waiting.length > 0) schedule()
  }

  function isOver(since?: number): boolean {
    const time = now()
    if (ends === undefined) {
      ends = time + TURN_MS
      schedule()
    }
    return time >= ends || (since !== undefined && waiting.length > 0 && time - since >= SHARE_MS)
  }

  return {
    isOver,
    wait(action) {
      waiting.push(action)
      schedule()
    },
  }
}
