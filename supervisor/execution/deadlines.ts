import { createLine, type Standing } from '../base/line.ts'

/** What has a time to end by. */
export interface Timed<T> extends Standing<T> {
  /** When its clock started, by `performance.now()`. */
  readonly began: number
}

/** What ends when its time is up. */
export interface Deadlines<T> extends Iterable<T> {
  /** Adds one that begins now. */
  add(item: T): void
  /** Its end has come by other means. */
  delete(item: T): void
}

/**
 * Watches many things of the same timeout with one timer: they run out in the order in which they began, so only the
 * oldest needs one. A timer for each would be made and thrown away thousands of times a second.
 * @param timeout milliseconds
 */
export function createDeadlines<T extends Timed<T>>(timeout: number, onTimeout: (item: T) => void): Deadlines<T> {
  const line = createLine<T>()
  let timer: NodeJS.Timeout | undefined

  // The timer is left alone when its item ends: at its time it looks who is the oldest then.
  function watch(ms: number): void {
    timer = setTimeout(endOverdue, Math.max(1, Math.ceil(ms)))
  }

  function endOverdue(): void {
    timer = undefined
    const now = performance.now()
    for (let oldest = line.first; oldest; oldest = line.first) {
      const left = oldest.began + timeout - now
      if (left > 0) {
        watch(left)
        return
      }
      line.delete(oldest)
      onTimeout(oldest)
    }
  }

  return {
    add(item) {
      line.add(item)
      if (!timer) watch(timeout)
      else if (line.size === 1) timer.ref()
    },
    delete(item) {
      line.delete(item)
      // With nothing to watch it must not keep the process alive.
      if (line.size === 0) timer?.unref()
    },
    [Symbol.iterator]: () => line[Symbol.iterator](),
  }
}
