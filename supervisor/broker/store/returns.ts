import { createDeque } from './deque.ts'
import { READY, type StoredEntry } from './entry.ts'
import { Heap } from './heap.ts'
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
  /** The same of all that wait in memory and can leave it; returns them. */
  parkAll(canLeave: (entry: StoredEntry) => boolean): StoredEntry[]
  /** Those in memory, in any order. */
  entries(): readonly StoredEntry[]
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

class SortedReturns implements Returns {
  readonly #expand: Expand
  readonly #entries = new Heap<StoredEntry>()
  readonly #runs = new Heap<Run>()
  #open: Run | undefined

  constructor(expand: Expand) {
    this.#expand = expand
  }

  get held(): number {
    return this.#entries.length
  }

  add(entry: StoredEntry): void {
    this.#entries.add(entry)
  }

  park(entry: StoredEntry): void {
    const open = this.#open
    const last = open?.indexes.at(-1) ?? Number.POSITIVE_INFINITY
    if (open?.segment === entry.segment && last < entry.index) return void open.indexes.push(entry.index)
    this.#open = runOf(entry)
    this.#runs.add(this.#open)
  }

  parkAll(canLeave: (entry: StoredEntry) => boolean): StoredEntry[] {
    const parked: StoredEntry[] = []
    for (const entry of this.#entries.clear().sort((a, b) => a.position - b.position)) {
      if (parks(this, entry, canLeave)) parked.push(entry)
    }
    return parked
  }

  entries(): readonly StoredEntry[] {
    return this.#entries.all()
  }

  first(): StoredEntry | undefined {
    for (;;) {
      const [entry, run] = [this.#entries.first(), this.#runs.first()]
      if (!run || (entry && entry.position < run.position)) return entry
      this.#runs.pop()
      if (run === this.#open) this.#open = undefined
      for (const one of this.#expand(run)) this.#entries.add(one)
    }
  }

  shift(): void {
    this.#entries.pop()
  }

  clear(): (StoredEntry | Run)[] {
    this.#open = undefined
    return [...this.#entries.clear(), ...this.#runs.clear()]
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

  parkAll(canLeave: (entry: StoredEntry) => boolean): StoredEntry[] {
    const parked: StoredEntry[] = []
    for (const item of this.clear()) {
      if (isRun(item)) this.#addRun(item)
      else if (parks(this, item, canLeave)) parked.push(item)
    }
    return parked
  }

  entries(): readonly StoredEntry[] {
    return [...this.#front.all(), ...this.#items.all()].filter((item) => !isRun(item)) as StoredEntry[]
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

  #addRun(run: Run): void {
    this.#open = undefined
    this.#items.push(run)
  }
}

/** Puts an entry back where it was, without its message if that can leave; returns whether that is so. */
function parks(returns: Returns, entry: StoredEntry, canLeave: (entry: StoredEntry) => boolean): boolean {
  // What was settled is not put back at all.
  if (entry.state !== READY) return false
  const isParked = canLeave(entry)
  if (isParked) returns.park(entry)
  else returns.add(entry)
  return isParked
}

export function isRun(item: StoredEntry | Run): item is Run {
  return 'indexes' in item
}

function runOf(entry: StoredEntry): Run {
  const { index, position, returned } = entry
  return { segment: entry.segment as Segment, indexes: [index], position, returned }
}
