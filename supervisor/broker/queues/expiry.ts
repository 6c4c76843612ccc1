import type { Clock } from '../clock.ts'
import { later, type OnFault } from '../guard.ts'

/** The longest delay that a timer of Node's takes. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** One timer for one moment, which is often moved: it is set again only when the moment comes closer. */
export interface ExpiryClock {
  /** @param at by the clock */
  setAt(at: number): void
  stop(): void
}

export function expiryClock(clock: Clock, onFault: OnFault, action: () => void): ExpiryClock {
  return new Expiry(clock, onFault, action)
}

// A class: there are tens of thousands of queues that expire, or whose messages do.
class Expiry implements ExpiryClock {
  readonly #clock: Clock
  readonly #onFault: OnFault
  readonly #action: () => void
  #at: number | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock, onFault: OnFault, action: () => void) {
    this.#clock = clock
    this.#onFault = onFault
    this.#action = action
  }

  setAt(moment: number): void {
    this.#at = moment
    // A timer that fires too early looks again; one that would fire too late has to be replaced.
    if (moment < this.#timerAt) this.#arm(moment)
  }

  stop(): void {
    this.#at = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #fire(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const at = this.#at
    if (at === undefined) return
    if (at > this.#clock.now()) {
      this.#arm(at)
      return
    }
    this.#at = undefined
    this.#action()
  }

  #arm(moment: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = moment
    const delay = Math.ceil(Math.max(moment - this.#clock.now(), 0))
    this.#timer = later(Math.min(delay, MAX_DELAY_MS), this.#onFault, () => this.#fire())
  }
}
