import { createDeque } from './deque.ts'
import type { StoredEntry } from './entry.ts'

/** Entries that were given back and wait in memory. */
export interface Returns {
  add(entry: StoredEntry): void
  first(): StoredEntry | undefined
  shift(): void
  clear(): StoredEntry[]
}

/** In the order of their positions: a binary heap. */
export function sortedReturns(): Returns {
  let heap: StoredEntry[] = []

  function add(entry: StoredEntry) {
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = heap[parent] as StoredEntry
      if (other.position <= entry.position) break
      heap[at] = other
      at = parent
    }
    heap[at] = entry
  }

  function shift() {
    const entry = heap.pop()
    if (!entry || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && positionAt(child + 1) < positionAt(child)) child++
      if (entry.position <= positionAt(child)) break
      heap[at] = heap[child] as StoredEntry
      at = child
    }
    heap[at] = entry
  }

  function positionAt(index: number): number {
    return (heap[index] as StoredEntry).position
  }

  return {
    add,
    first: () => heap[0],
    shift,
    clear() {
      const all = heap
      heap = []
      return all
    },
  }
}

/** In the order in which they came back. */
export function queuedReturns(): Returns {
  const queue = createDeque<StoredEntry>()
  return { add: queue.push, first: queue.first, shift: () => void queue.shift(), clear: queue.clear }
}
