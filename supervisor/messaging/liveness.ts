import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { reasonOf } from '../base/errors.ts'

/** Milliseconds for an answer over the connection. */
const ANSWER_MS = 1_200
/** Milliseconds for an answer over another connection. */
const REACH_MS = 1_500
/** Milliseconds until a broker that has answered over another connection is asked again in that way. */
const AGAIN_MS = 15_000

export interface LivenessOptions {
  /** How many bytes have come in. */
  bytesRead(): number
  /** Asks anything over the connection; what the answer is does not matter. */
  ask(): void
  /** Connects once more, and lets go of it; rejects where nobody answers in so many milliseconds. */
  reach(timeoutMs: number): Promise<void>
  /** Told that nobody is there any more. */
  onDead(error: Error): void
}

export interface Liveness {
  /** Says that an answer is overdue: finds out within three seconds whether anybody is there. Does nothing while it does. */
  check(): void
}

/**
 * Tells a broker that is slow from one that is gone: behind a network that drops everything, no connection ends, and heartbeats
 * take half a minute. Any byte that comes counts. A broker in flow control, or with a disk that takes its time, may read nothing
 * more from a connection, and answers over a new one all the same.
 */
export function createLiveness({ bytesRead, ask, reach, onDead }: LivenessOptions): Liveness {
  let isChecking = false
  let reachedAt = Number.NEGATIVE_INFINITY

  async function check(): Promise<void> {
    if (isChecking || performance.now() - reachedAt < AGAIN_MS) return
    isChecking = true
    try {
      const before = bytesRead()
      ask()
      await wait(ANSWER_MS, undefined, { ref: false })
      // What has come while this process did not look is read now.
      for (let turns = 0; turns < 3 && bytesRead() === before; turns++) await turn()
      if (bytesRead() !== before) return
      await reach(REACH_MS)
      reachedAt = performance.now()
    } catch (error) {
      onDead(new Error(`the broker has not answered for a while: ${reasonOf(error)}`))
    } finally {
      isChecking = false
    }
  }

  return { check: () => void check() }
}
