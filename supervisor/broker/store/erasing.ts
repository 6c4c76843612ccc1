import type { Batch, Source } from './commit.ts'
import type { Database } from './database.ts'
import { logRanges } from './keys.ts'

/** Removes the records of deleted logs, some with each commit: a log can have any number of them. */
export interface Eraser {
  /** @param onErased called once the last of them is removed for good */
  add(queueId: number, onErased: () => void): void
  /** Leaves the rest to the next start, which finds it. */
  stop(): void
}

interface Work {
  readonly onErased: () => void
  /** What is left to look through. */
  readonly ranges: [Buffer, Buffer][]
}

/** Keys that one commit removes, and for how long it looks for them, in ms. */
const KEYS = 2_000
const SLICE_MS = 8

/** @param touch has the source collected from by the next commit */
export function createEraser(database: Database, touch: (source: Source) => void): Eraser {
  let works: Work[] = []
  let next = 0
  let isStopped = false
  const source: Source = { collect }

  function collect(batch: Batch) {
    let keys = 0
    const end = performance.now() + SLICE_MS
    while (next < works.length && keys < KEYS && performance.now() < end && !isStopped) {
      const work = works[next] as Work
      keys += removeSome(work, KEYS - keys, batch)
      if (work.ranges.length > 0) break
      batch.afterwards(work.onErased)
      next++
    }
    if (next === works.length) {
      works = []
      next = 0
    } else if (!isStopped) touch(source)
  }

  /** Returns how many keys it has found; the ranges that are left have more, or may have. */
  function removeSome(work: Work, most: number, batch: Batch): number {
    let found = 0
    for (let range = work.ranges[0]; range; range = work.ranges[0]) {
      for (const key of database.keys(...range, most - found)) {
        found++
        batch.remove(key)
        // The key behind it: what was found once is not looked for again, whether or not the commit succeeds at once.
        range[0] = Buffer.concat([key, Buffer.of(0)])
      }
      if (found >= most) break
      work.ranges.shift()
    }
    return found
  }

  return {
    add(queueId, onErased) {
      if (isStopped) return
      works.push({ onErased, ranges: logRanges(queueId) })
      touch(source)
    },
    stop() {
      isStopped = true
    },
  }
}
