/** What a whole worker says: how many messages it has handled since its start. */
export interface Handled {
  readonly handled: number
}

/** Milliseconds between two of these: one for each message would be work that is measured. */
const EVERY = 50

/** @returns to be called for each message; the first is told at once */
export function createProgress(): () => void {
  let [handled, told] = [0, 0]

  function tell(): void {
    if (handled === told) return
    told = handled
    process.send?.({ handled } satisfies Handled)
  }

  setInterval(tell, EVERY).unref()
  return function onHandled() {
    if (++handled === 1) tell()
  }
}
