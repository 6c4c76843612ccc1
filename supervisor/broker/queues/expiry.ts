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
  let at: number | undefined
  let timer: NodeJS.Timeout | undefined
  let timerAt = Number.POSITIVE_INFINITY

  function fire(): void {
    timer = undefined
    timerAt = Number.POSITIVE_INFINITY
    if (at === undefined) return
    if (at > clock.now()) return void arm(at)
    at = undefined
    action()
  }

  function arm(moment: number): void {
    clearTimeout(timer)
    timerAt = moment
    const delay = Math.ceil(Math.max(moment - clock.now(), 0))
    timer = later(Math.min(delay, MAX_DELAY_MS), onFault, fire)
  }

  return {
    setAt(moment) {
      at = moment
      // A timer that fires too early looks again; one that would fire too late has to be replaced.
      if (moment < timerAt) arm(moment)
    },
    stop() {
      at = undefined
      clearTimeout(timer)
      timer = undefined
      timerAt = Number.POSITIVE_INFINITY
    },
  }
}
