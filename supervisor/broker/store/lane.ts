import type { Batch } from './commit.ts'
import type { Crowding } from './crowd.ts'
import { createDeque } from './deque.ts'
import { OUTSTANDING, PAGED, READY, REMOVED, type StoredEntry } from './entry.ts'
import { GivenBack } from './given-back.ts'
import { LaneRecords, type RecordsOwner, type RecordsTools } from './lane-records.ts'
import type { Mark } from './marks.ts'
import { follow } from './move-together.ts'
import { isRun } from './returns.ts'
import { markWaiting, type Segment } from './segment.ts'
import { type Limits, Window } from './window.ts'

// The messages of one queue and one priority, in three parts, the oldest first:
//   window    entries in memory; what was loaded last and, while nothing is behind it, what is appended
//   segments  on disk alone (or still on their way there, as the bytes of their record)
//   tail      appended behind a full window since the last commit; the next one makes segments of it
// Entries that were given back wait apart. In the order of positions they are never behind a segment.
// What is handed out and on disk keeps its place and no message.

/** What the lanes of all logs share. */
export interface LaneTools extends RecordsTools {
  readonly limits: Limits
}

/** The log that a lane is part of. */
export interface LaneOwner extends RecordsOwner {
  readonly tools: LaneTools
  /** Where entries go that are given back: where they were, or before all others. */
  readonly returns: 'position' | 'fifo'
}

// A class, with parts that are made when they are needed: each of tens of thousands of queues in use has one or more.
export class Lane implements Crowding {
  isUsed = false
  readonly priority: number
  /** Where its entries read their messages again. */
  readonly source: LaneRecords
  ready = 0
  readyBytes = 0
  readonly #log: LaneOwner
  readonly #mark: Mark
  readonly #window: Window
  readonly #segments: ReturnType<typeof createDeque<Segment>>
  #returns: GivenBack | undefined
  #tail: StoredEntry[] = []
  #pending: StoredEntry[] = []
  /** Whoever took it reads its message until the next one is taken. */
  #lastTaken: StoredEntry | undefined

  /** @param recovered the segments that a start found, in order */
  constructor(log: LaneOwner, priority: number, mark: Mark, recovered: Segment[]) {
    const { limits, memory } = log.tools
    this.#log = log
    this.priority = priority
    this.#mark = mark
    this.source = new LaneRecords(log, priority, mark.recovered, recovered)
    this.#window = new Window(limits, memory)
    this.#segments = createDeque(recovered)
    for (const segment of recovered) {
      this.ready += segment.live
      this.readyBytes += segment.liveBytes
    }
    memory.join(this)
  }

  append(entry: StoredEntry): void {
    this.isUsed = true
    const isBehind = this.#segments.length > 0 || this.#tail.length > 0 || this.#window.isFull
    const isPending = isBehind || entry.onSafe !== null || this.#isKept(entry) || this.#isCrowded()
    this.source.keep(entry)
    // The tail may become segments by it, in front of which the entry must not get.
    if (isPending) this.#log.touch(entry.counted)
    this.ready++
    this.readyBytes += entry.bodyBytes
    if (isPending) this.#pending.push(entry)
    entry.inTail = isBehind
    if (isBehind) this.#tail.push(entry)
    else this.#window.push(entry)
  }

  first(): StoredEntry | undefined {
    if (this.ready === 0) return undefined
    const returned = this.#firstBack()
    if (returned && this.#log.returns === 'fifo') return returned
    const waiting = firstReady(this.#window) ?? (returned ? undefined : this.firstWaiting())
    if (waiting && returned) return waiting.position < returned.position ? waiting : returned
    return waiting ?? returned
  }

  /** The first of those that did not come back. */
  firstWaiting(): StoredEntry | undefined {
    if (this.ready === 0) return undefined
    for (;;) {
      const entry = firstReady(this.#window)
      if (entry || !this.#refill()) return entry
    }
  }

  /** The first of those that came back, where these go first; undefined where they have their old places. */
  firstReturned(): StoredEntry | undefined {
    return this.#log.returns === 'fifo' ? this.#firstBack() : undefined
  }

  /** As QueueLog's, where what comes back has its old place. */
  headExpiresAt(): number {
    return this.#firstBack() ? (this.first()?.expiresAt ?? 0) : this.waitingExpiresAt()
  }

  /** The same of those that did not come back. */
  waitingExpiresAt(): number {
    const segment = firstReady(this.#window) ? undefined : this.#segments.first()
    return segment ? segment.expiresFrom : (this.firstWaiting()?.expiresAt ?? 0)
  }

  /** Hands out what first(), firstReturned() or firstWaiting() has given. */
  take(entry: StoredEntry): void {
    if (entry === this.#returns?.first()) this.#returns.shift()
    else this.#window.shift()
    this.isUsed = true
    this.#mark.handOut(entry.position)
    entry.state = OUTSTANDING
    this.#countReady(-1, entry)
    if (this.#lastTaken) this.source.letGo(this.#lastTaken)
    this.#lastTaken = entry
    if (!entry.held) {
      entry.held = entry.message
      this.source.keep(entry)
    }
  }

  giveBack(entry: StoredEntry): void {
    if (entry.state !== OUTSTANDING) return
    if (entry.segment && this.#log.durable) this.#log.touch()
    this.source.letGo(entry)
    entry.state = READY
    entry.redelivered = true
    this.#countReady(1, entry)
    this.source.keepCounts(entry)
    this.#returns ??= new GivenBack(this.#log, this.source)
    this.#returns.add(entry)
  }

  remove(entry: StoredEntry): void {
    if (entry.state === REMOVED) return
    if (entry.state === PAGED)
      throw new Error('This entry has left memory: remove() takes what peek() or take() returned')
    // What was appended may be part of the commit that is put together; that it is gone is not.
    if (entry.segment || entry.inTail || entry.shared || this.#isKept(entry)) this.#log.touch()
    if (entry.state === READY) this.#countReady(-1, entry)
    entry.state = REMOVED
    this.source.remove(entry)
    // A queue that nothing more comes to would keep its last message.
    if (entry === this.#lastTaken) this.#lastTaken = undefined
  }

  purge(): void {
    if (this.#pending.length > 0 || this.ready > 0) this.#log.touch()
    for (const entry of [...this.#window.clear(), ...this.#tail]) this.remove(entry)
    this.#tail = []
    for (const item of this.#returns?.clear() ?? []) {
      if (!isRun(item)) this.remove(item)
      else if (!item.segment.moved && item.indexes.length === item.segment.live) this.source.removeSegment(item.segment)
      else for (const entry of this.source.expand(item)) this.remove(entry)
    }
    for (const segment of this.#segments.clear()) {
      if (segment.waiting) for (const entry of this.source.load(segment) ?? []) this.remove(entry)
      else this.source.removeSegment(segment)
    }
    this.ready = 0
    this.readyBytes = 0
  }

  /** Returns whether it has put anything. */
  collect(batch: Batch): boolean {
    const toKeep: StoredEntry[] = []
    const toPage: StoredEntry[] = []
    for (const entry of this.#pending) {
      if (entry.onSafe) batch.afterwards(entry.onSafe)
      entry.onSafe = null
      if (entry.state === REMOVED) continue
      if (entry.inTail) toPage.push(entry)
      else if (this.#isKept(entry) || this.#isCrowded()) toKeep.push(entry)
    }
    this.#pending = []
    this.#tail = []
    // In memory they are entries; the record's bytes are for the database alone.
    for (const segment of this.source.write(batch, toKeep)) segment.raw = null
    for (const segment of this.source.write(batch, toPage)) this.#segments.push(segment)
    for (const entry of toPage) {
      entry.state = PAGED
      this.source.drop(entry)
    }
    const hasSpilled = this.#returns?.collect(batch) === true
    this.source.mergeSmall(batch, this.#segments)
    this.source.moveStragglers(batch, this.#segments)
    this.source.collect(batch)
    return toKeep.length + toPage.length > 0 || hasSpilled
  }

  pageOut(): number {
    return this.#pageWindowOut() + (this.#returns?.pageOut() ?? 0)
  }

  #pageWindowOut(): number {
    const entries = this.#window.clear()
    const waiting = entries.filter(({ state }) => state === READY)
    for (const entry of waiting) follow(entry)
    if (!waiting.every(({ segment }) => segment?.isOnDisk)) {
      for (const entry of entries) this.#window.push(entry)
      return entries.length
    }
    const paged = new Set<Segment>()
    for (const entry of waiting) {
      const segment = entry.segment as Segment
      paged.add(segment)
      markWaiting(segment, entry.index)
      entry.state = PAGED
      this.source.drop(entry)
    }
    // What was moved together with others is there already if one of these waits.
    const first = this.#segments.first()
    this.#segments.prepend([...paged].filter((segment) => segment !== first))
    return entries.length
  }

  /** Gives up everything in memory. */
  discard(batch: Batch): void {
    for (const entry of this.#pending) if (entry.onSafe) batch.afterwards(entry.onSafe)
    this.#pending = []
    this.#log.tools.memory.leave(this)
    this.source.discard(batch)
  }

  /** Brings the next messages into the empty window; false if there are none. */
  #refill(): boolean {
    const segment = this.#segments.first()
    if (segment) {
      const entries = this.source.load(segment)
      // The segment stays where it is: what is behind it must not overtake it.
      if (!entries) return false
      for (const entry of entries) {
        this.source.keep(entry)
        this.#window.push(entry)
      }
      this.#segments.shift()
      segment.waiting = null
      return true
    }
    if (this.#tail.length === 0) return false
    for (const entry of this.#tail) {
      if (entry.state !== READY) continue
      entry.inTail = false
      this.#window.push(entry)
    }
    this.#tail = []
    return true
  }

  #firstBack(): StoredEntry | undefined {
    return this.#returns && firstReady(this.#returns)
  }

  #isKept({ persistent }: StoredEntry): boolean {
    return this.#log.durable && persistent
  }

  /** What need not be on disk gets there all the same. */
  #isCrowded(): boolean {
    const { memory, limits } = this.#log.tools
    return memory.bytes >= limits.totalBytes
  }

  #countReady(count: 1 | -1, entry: StoredEntry): void {
    this.ready += count
    this.readyBytes += count * entry.bodyBytes
  }
}

/** The first that waits; what was settled before is taken off. */
function firstReady(line: { first(): StoredEntry | undefined; shift(): unknown }): StoredEntry | undefined {
  let entry = line.first()
  for (; entry && entry.state !== READY; entry = line.first()) line.shift()
  return entry
}
