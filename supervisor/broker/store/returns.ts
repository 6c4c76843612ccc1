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

/** In the order of their positions. */
export function sortedReturns(expand: Expand): Returns {
  return new SortedReturns(expand)
}

/** In the order in which they came back. */
export function queuedReturns(expand: Expand): Returns {
  return new QueuedReturns(expand)
}

/** A binary heap. */
class SortedReturns implements Returns {
  held = 0
  readonly #expand: Expand
  #heap: (StoredEntry | Run)[] = []
  #open: Run | undefined

  constructor(expand: Expand) {
    this.#expand = expand
  }

  add(entry: StoredEntry): void {
    this.held++
    this.#insert(entry)
  }

  park(entry: StoredEntry): void {
    const open = this.#open
    const last = open?.indexes.at(-1) ?? Number.POSITIVE_INFINITY
    if (open?.segment === entry.segment && last < entry.index) return void open.indexes.push(entry.index)
    this.#open = runOf(entry)
    this.#insert(this.#open)
  }

  first(): StoredEntry | undefined {
    for (let [item] = this.#heap; item; [item] = this.#heap) {
      if (!isRun(item)) return item
      this.#pop()
      if (item === this.#open) this.#open = undefined
      for (const entry of this.#expand(item)) this.add(entry)
    }
    return undefined
  }

  shift(): void {
    this.held--
    this.#pop()
  }

  clear(): (StoredEntry | Run)[] {
    const all = this.#heap
    this.#heap = []
    this.#open = undefined
    this.held = 0
    return all
  }

  #insert(item: StoredEntry | Run): void {
    const heap = this.#heap
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

  #pop(): void {
    const heap = this.#heap
    const item = heap.pop()
    if (!item || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#positionAt(child + 1) < this.#positionAt(child)) child++
      if (item.position <= this.#positionAt(child)) break
      heap[at] = heap[child] as StoredEntry | Run
      at = child
    }
    heap[at] = item
  }

  #positionAt(index: number): number {
    return (this.#heap[index] as StoredEntry | Run).position
  }
}

class QueuedReturns implements Returns {
  held = 0
  readonly #expand: Expand
  readonly #items = createDeque<StoredEntry | Run>()
  /** What the first of the runs had, in front of the others. */
  #front = createDeque<StoredEntry>()
  #open: Run | undefined

  constructor(expand: Expand) {
    this.#expand = expand
  }

  add(entry: StoredEntry): void {
    this.held++
    this.#open = undefined
    this.#items.push(entry)
  }

  park(entry: StoredEntry): void {
    const open = this.#open
    if (open?.segment === entry.segment && open.returned + open.indexes.length === entry.returned) {
      open.indexes.push(entry.index)
      return
    }
    this.#open = runOf(entry)
    this.#items.push(this.#open)
  }

  first(): StoredEntry | undefined {
    for (;;) {
      const item = this.#front.first() ?? this.#items.first()
      if (!item || !isRun(item)) return item
      this.#items.shift()
      if (item === this.#open) this.#open = undefined
      this.#front = createDeque(this.#expand(item))
      this.held += this.#front.length
    }
  }

  shift(): void {
    this.held--
    if (this.#front.length > 0) this.#front.shift()
    else this.#items.shift()
  }

  clear(): (StoredEntry | Run)[] {
    this.held = 0
    this.#open = undefined
    return [...this.#front.clear(), ...this.#items.clear()]
  }
}

export function isRun(item: StoredEntry | Run): item is Run {
  return 'indexes' in item
}

function runOf(entry: StoredEntry): Run {
  const { index, position, returned } = entry
  return { segment: entry.segment as Segment, indexes: [index], position, returned }
}
