import { createDeque } from './deque.ts'
import type { StoredEntry } from './entry.ts'
import type { Segment } from './segment.ts'

/** Messages of one segment that came back one after the other, and are on disk alone. */
export interface Run {
  segment: Segment
  /** Their numbers within the segment, in the order in which they are handed out again. */
  indexes: number[]
  /** The position of the first. */
  position: number
  /** StoredEntry's, of the first; the others have the next ones. */
  returned: number
}

/** Messages that were given back. */
export interface Returns {
  /** How many are in memory. */
  readonly held: number
  add(entry: StoredEntry): void
  /** Keeps the place of an entry that leaves memory; it is on disk. */
  park(entry: StoredEntry): void
  /** Reads from the disk what comes next, if that was parked. */
  first(): StoredEntry | undefined
  shift(): void
  clear(): (StoredEntry | Run)[]
}

/** Makes entries of what was parked. */
export type Expand = (run: Run) => StoredEntry[]

/** In the order of their positions: a binary heap. */
export function sortedReturns(expand: Expand): Returns {
  let heap: (StoredEntry | Run)[] = []
  let open: Run | undefined
  let held = 0

  function add(item: StoredEntry | Run) {
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = heap[parent] as StoredEntry | Run
      if (other.position <= item.position) break
      heap[at] = other
      at = parent
    }
    heap[at] = item
  }

  function pop() {
    const item = heap.pop()
    if (!item || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && positionAt(child + 1) < positionAt(child)) child++
      if (item.position <= positionAt(child)) break
      heap[at] = heap[child] as StoredEntry | Run
      at = child
    }
    heap[at] = item
  }

  function positionAt(index: number): number {
    return (heap[index] as StoredEntry | Run).position
  }

  function addEntry(entry: StoredEntry) {
    held++
    add(entry)
  }

  return {
    get held() {
      return held
    },
    add: addEntry,
    park(entry) {
      const last = open?.indexes.at(-1) ?? Number.POSITIVE_INFINITY
      if (open?.segment === entry.segment && last < entry.index) {
        open.indexes.push(entry.index)
        return
      }
      open = runOf(entry)
      add(open)
    },
    first() {
      for (let [item] = heap; item; [item] = heap) {
        if (!isRun(item)) return item
        pop()
        if (item === open) open = undefined
        for (const entry of expand(item)) addEntry(entry)
      }
      return undefined
    },
    shift() {
      held--
      pop()
    },
    clear() {
      const all = heap
      heap = []
      open = undefined
      held = 0
      return all
    },
  }
}

/** In the order in which they came back. */
export function queuedReturns(expand: Expand): Returns {
  const items = createDeque<StoredEntry | Run>()
  /** What the first of the runs had, in front of the others. */
  let front = createDeque<StoredEntry>()
  let open: Run | undefined
  let held = 0

  return {
    get held() {
      return held
    },
    add(entry) {
      held++
      open = undefined
      items.push(entry)
    },
    park(entry) {
      if (open?.segment === entry.segment && open.returned + open.indexes.length === entry.returned) {
        open.indexes.push(entry.index)
        return
      }
      open = runOf(entry)
      items.push(open)
    },
    first() {
      for (;;) {
        const item = front.first() ?? items.first()
        if (!item || !isRun(item)) return item
        items.shift()
        if (item === open) open = undefined
        front = createDeque(expand(item))
        held += front.length
      }
    },
    shift() {
      held--
      if (front.length > 0) front.shift()
      else items.shift()
    },
    clear() {
      held = 0
      open = undefined
      return [...front.clear(), ...items.clear()]
    },
  }
}

export function isRun(item: StoredEntry | Run): item is Run {
  return 'indexes' in item
}

function runOf(entry: StoredEntry): Run {
  const { index, position, returned } = entry
  return { segment: entry.segment as Segment, indexes: [index], position, returned }
}
