/** The longest delay that a timer of Node's takes. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** One timer for one moment, which is often moved: it is set again only when the moment comes closer. */
export interface ExpiryClock {
  /** @param at milliseconds since 1970 */
  setAt(at: number): void
  stop(): void
}

export function expiryClock(action: () => void): ExpiryClock {
  let at: number | undefined
  let timer: NodeJS.Timeout | undefined
  let timerAt = Number.POSITIVE_INFINITY

  function fire(): void {
    timer = undefined
    timerAt = Number.POSITIVE_INFINITY
    if (at === undefined) return
    if (at > Date.now()) return void arm(at)
    at = undefined
    action()
  }

  function arm(moment: number): void {
    clearTimeout(timer)
    timerAt = moment
    timer = setTimeout(fire, Math.min(Math.max(moment - Date.now(), 0), MAX_DELAY_MS)).unref()
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
