// Whether, when and where a task's handler has started: in memory that the process shares with the thread, because a
// message would wake the process's event loop for every task.

const WAITING = 0n
const CALLED_OFF = -1n

/** For a new task: when its handler has started, by the clock that all threads have in common, and in which thread. */
export function createStart(): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT))
}

/** For the thread: the handler starts now. @returns false: it may not, the task was called off */
export function markStarted(start: BigInt64Array, thread: number): boolean {
  Atomics.store(start, 1, BigInt(thread))
  return Atomics.compareExchange(start, 0, WAITING, process.hrtime.bigint()) === WAITING
}

/** Milliseconds since the handler has started; undefined: it has not. */
export function runsFor(start: BigInt64Array): number | undefined {
  const at = Atomics.load(start, 0)
  return at > 0n ? Number(process.hrtime.bigint() - at) / 1e6 : undefined
}

/** The thread where the handler has started. */
export function threadOf(start: BigInt64Array): number {
  return Number(Atomics.load(start, 1))
}

/** Calls the task off, unless its handler has started. @returns the thread where it has */
export function callOff(start: BigInt64Array): number | undefined {
  const at = Atomics.compareExchange(start, 0, WAITING, CALLED_OFF)
  return at > 0n ? threadOf(start) : undefined
}
