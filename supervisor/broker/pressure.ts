/** What has to be done before more work should come. */
export interface Pressure {
  /** So much waits that no more should be made. */
  isBusy(): boolean
  /** Runs the action once it is no longer busy. */
  whenCalm(action: () => void): void
}

/** Busy while one of them is. */
export function anyPressure(...all: readonly Pressure[]): Pressure {
  function whenCalm(action: () => void): void {
    const busy = all.find(({ isBusy }) => isBusy())
    if (busy) busy.whenCalm(() => whenCalm(action))
    else action()
  }
  return { isBusy: () => all.some(({ isBusy }) => isBusy()), whenCalm }
}
