// Between what the event loop calls and the end of the process stands one of these: a fault costs the message or the client
// that it came from, never the broker. Nothing else in this folder sets timers; a rule of the architecture's test holds that.

/** Takes what an action has thrown. It must not throw itself. */
export type OnFault = (error: unknown) => void

/** Runs an action; what it throws goes to `onFault`. */
export function attempt(onFault: OnFault, action: () => void): void {
  try {
    action()
  } catch (error) {
    onFault(error)
  }
}

/** The action as a listener or a callback of somebody else's. */
export function guarded<Args extends unknown[]>(
  onFault: OnFault,
  action: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => attempt(onFault, () => action(...args))
}

/** Runs the action after so many milliseconds, if the process is there then; it keeps no process alive. */
export function later(ms: number, onFault: OnFault, action: () => void): NodeJS.Timeout {
  return setTimeout(attempt, ms, onFault, action).unref()
}

/** Runs the action every so many milliseconds; it keeps no process alive. */
export function every(ms: number, onFault: OnFault, action: () => void): NodeJS.Timeout {
  return setInterval(attempt, ms, onFault, action).unref()
}

/** Runs the action in a later turn of the event loop. */
export function soon(onFault: OnFault, action: () => void): void {
  setImmediate(attempt, onFault, action)
}

/** Resolves in a later turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
