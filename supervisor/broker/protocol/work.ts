import { inSlices, type Slices } from '../slices.ts'

/** Milliseconds for steps that are not counted as work: what clients commonly ask for takes less. */
const AT_ONCE_MS = 1

/** What a connection asks for that may take long. */
export interface Work {
  /**
   * Takes steps, each of which takes microseconds: at once as far as this turn has time for it, and the rest in slices.
   * Those of one connection are taken in order.
   * @returns what they return; a promise of it if they are not done: nothing else of the connection may be handled then
   * @throws what they throw at once
   */
  run<T>(steps: Iterator<unknown, T>): T | Promise<T>
}

/** @param slices what must go on while the disk is full is done by these */
export function createWork(slices: Slices): Work {
  const owner = {}
  let unfinished = 0
  const finished = () => void unfinished--

  return {
    run(steps) {
      for (const end = performance.now() + AT_ONCE_MS; unfinished === 0; ) {
        const next = steps.next()
        if (next.done) return next.value
        if (performance.now() >= end) break
      }
      unfinished++
      try {
        const result = inSlices(slices, owner, steps)
        if (result instanceof Promise) result.then(finished, finished)
        else unfinished--
        return result
      } catch (error) {
        unfinished--
        throw error
      }
    },
  }
}
