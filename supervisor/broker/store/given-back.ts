import type { Batch } from './commit.ts'
import { PAGED, READY, type StoredEntry } from './entry.ts'
import type { LaneOwner } from './lane.ts'
import type { LaneRecords } from './lane-records.ts'
import { follow } from './move-together.ts'
import { queuedReturns, type Returns, type Run, sortedReturns } from './returns.ts'

/** What was given back to a lane: in memory while there is room for it, and on disk alone beyond that. */
export class GivenBack {
  readonly #log: LaneOwner
  readonly #records: LaneRecords
  readonly #returns: Returns
  /** The next commit is to write what is in memory alone: messages that need not be kept, mostly. */
  #isSpilling = false

  constructor(log: LaneOwner, records: LaneRecords) {
    this.#log = log
    this.#records = records
    const expand = records.expand.bind(records)
    this.#returns = log.returns === 'fifo' ? queuedReturns(expand) : sortedReturns(expand)
  }

  add(entry: StoredEntry): void {
    const { limits, memory } = this.#log.tools
    const isTooMuch = this.#returns.held >= limits.windowMessages || memory.bytes >= limits.totalBytes
    if (isTooMuch && isOnDisk(entry)) {
      this.#returns.park(entry)
      this.#leave(entry)
      return
    }
    this.#returns.add(entry)
    if (isTooMuch) this.#spill()
  }

  first(): StoredEntry | undefined {
    return this.#returns.first()
  }

  shift(): void {
    this.#returns.shift()
  }

  clear(): (StoredEntry | Run)[] {
    return this.#returns.clear()
  }

  /** Has what waits in memory leave it: at once what is on disk, the rest once a commit has written it. */
  pageOut(): number {
    const before = this.#returns.held
    if (before === 0) return 0
    this.#parkAll()
    if (this.#returns.held > 0) this.#spill()
    return before
  }

  /** Writes what takes too much memory, once the lane has put all that it keeps. Returns whether it has put anything. */
  collect(batch: Batch): boolean {
    if (!this.#isSpilling) return false
    this.#isSpilling = false
    const unwritten = this.#returns.entries().filter(({ state, segment }) => state === READY && !segment)
    this.#records.writeApart(
      batch,
      unwritten.sort((a, b) => a.position - b.position),
    )
    batch.afterwards(() => this.#parkAll())
    return unwritten.length > 0
  }

  #parkAll(): void {
    for (const entry of this.#returns.parkAll(isOnDisk)) this.#leave(entry)
  }

  #leave(entry: StoredEntry): void {
    entry.state = PAGED
    this.#records.drop(entry)
  }

  #spill(): void {
    if (this.#isSpilling) return
    this.#log.touch()
    this.#isSpilling = true
  }
}

function isOnDisk(entry: StoredEntry): boolean {
  follow(entry)
  return entry.segment?.isOnDisk === true
}
