// How every receiver counts: from the first message handled to the last, and how long each was on its way.
import { quantile } from '../statistics.ts'
import { now } from './payload.ts'

export interface Taken {
  /** Milliseconds from the first message handled to the last. */
  readonly ms: number
  /** Milliseconds from sending to handling; of messages that were sent to be timed. */
  readonly p50: number
  readonly p99: number
  /** Monotonic milliseconds. */
  readonly first: number
  readonly last: number
}

export interface Tally {
  /** To be called by the handler, with the message's time of sending. */
  handled(at: number): void
  /**
   * To be called instead by a handler whose first attempt is to fail: the clock starts then, and it throws.
   * @param attempt counted from 1
   */
  attempted(at: number, attempt: number): void
  /**
   * Resolves when so many have been handled.
   * @param skip how many of them, which do not count, are handled before the clock starts
   */
  take(count: number, skip?: number): Promise<Taken>
}

export function createTally(): Tally {
  let [expected, skipped, count, first] = [0, 0, 0, 0]
  let isRunning = false
  /** When the last take ended. What was sent before that was handled then, and came back: see below. */
  let ended = 0
  let times = new Float64Array(0)
  let done: (taken: Taken) => void = () => {}

  function start(time: number): void {
    isRunning = true
    first = time
  }

  // A quorum queue takes acknowledgements in batches. Those that still wait when their channel is closed are lost, so that
  // their messages come again.
  function handled(at: number): void {
    if (at < ended) return
    const time = now()
    times[count++] = time - at
    if (!isRunning && count >= skipped) start(time)
    if (count !== expected) return
    ended = time
    const sorted = [...times.subarray(skipped).sort()]
    done({
      ms: time - first,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      first,
      last: time,
    })
  }

  return {
    handled,
    attempted(at, attempt) {
      if (attempt > 1 || at < ended) return handled(at)
      if (!isRunning) start(now())
      throw new Error('the first attempt fails')
    },
    take(total, skip = 0) {
      ;[expected, skipped, count, isRunning] = [total, skip, 0, false]
      times = new Float64Array(total)
      return new Promise((resolve) => {
        done = resolve
      })
    },
  }
}
