import type { Batch } from './commit.ts'
import type { Crowding } from './crowd.ts'
import { createDeque } from './deque.ts'
import { OUTSTANDING, PAGED, READY, REMOVED, type StoredEntry } from './entry.ts'
import { type LaneRecords, laneRecords, type RecordsContext } from './lane-records.ts'
import { isRun, queuedReturns, sortedReturns } from './returns.ts'
import { markWaiting, type Segment } from './segment.ts'
import { createWindow, type Limits } from './window.ts'

// The messages of one queue and one priority, in three parts, the oldest first:
//   window    entries in memory; what was loaded last and, while nothing is behind it, what is appended
//   segments  on disk alone (or still on their way there, as the bytes of their record)
//   tail      appended behind a full window since the last commit; the next one makes segments of it
// Entries that were given back wait apart. In the order of positions they are never behind a segment.
// What is handed out and on disk keeps its place and no message.

/** What a lane needs of the store around it. */
export interface LaneContext extends RecordsContext {
  returns: 'position' | 'fifo'
  limits: Limits
  /** Has collect() called for the next commit. To be called before a change, as a commit may take up first what there is. */
  touch(bytes?: number): void
}

export interface Lane extends Crowding {
  readonly priority: number
  readonly ready: number
  readonly readyBytes: number
  /** Where its entries read their messages again. */
  readonly source: LaneRecords
  append(entry: StoredEntry): void
  first(): StoredEntry | undefined
  /** As QueueLog's, where what comes back has its old place. */
  headExpiresAt(): number
  /** The same of those that did not come back. */
  waitingExpiresAt(): number
  /** The first of those that came back, where these go first; undefined where they have their old places. */
  firstReturned(): StoredEntry | undefined
  /** The first of the others. */
  firstWaiting(): StoredEntry | undefined
  /** Hands out what one of these has given. */
  take(entry: StoredEntry): void
  giveBack(entry: StoredEntry): void
  remove(entry: StoredEntry): void
  purge(): void
  /** Returns whether it has put anything. */
  collect(batch: Batch): boolean
  /** Gives up everything in memory. */
  discard(batch: Batch): void
}

/** @param recovered the segments that a start found, in order */
export function createLane(context: LaneContext, recovered: Segment[]): Lane {
  const { durable, mark, limits, memory } = context
  const records = laneRecords(context, recovered)
  const window = createWindow(limits, memory)
  const returns = context.returns === 'fifo' ? queuedReturns(records.expand) : sortedReturns(records.expand)
  const segments = createDeque<Segment>(recovered)
  let tail: StoredEntry[] = []
  let pending: StoredEntry[] = []
  /** Whoever took it reads its message until the next one is taken. */
  let lastTaken: StoredEntry | undefined
  let ready = 0
  let readyBytes = 0
  for (const segment of recovered) {
    ready += segment.live
    readyBytes += segment.liveBytes
  }

  function append(entry: StoredEntry) {
    lane.isUsed = true
    const isBehind = segments.length > 0 || tail.length > 0 || window.isFull
    const isPending = isBehind || entry.onSafe !== null || isKept(entry) || isCrowded()
    records.keep(entry)
    // The tail may become segments by it, in front of which the entry must not get.
    if (isPending) context.touch(entry.counted)
    ready++
    readyBytes += entry.bodyBytes
    if (isPending) pending.push(entry)
    entry.inTail = isBehind
    if (isBehind) tail.push(entry)
    else window.push(entry)
  }

  function isKept({ persistent }: StoredEntry): boolean {
    return durable && persistent
  }

  /** What need not be on disk gets there all the same. */
  function isCrowded(): boolean {
    return memory.bytes >= limits.totalBytes
  }

  /** Brings the next messages into the empty window; false if there are none. */
  function refill(): boolean {
    const segment = segments.first()
    if (segment) {
      const entries = records.load(segment)
      // The segment stays where it is: what is behind it must not overtake it.
      if (!entries) return false
      for (const entry of entries) {
        records.keep(entry)
        window.push(entry)
      }
      segments.shift()
      segment.waiting = null
      return true
    }
    if (tail.length === 0) return false
    for (const entry of tail) {
      if (entry.state !== READY) continue
      entry.inTail = false
      window.push(entry)
    }
    tail = []
    return true
  }

  function first(): StoredEntry | undefined {
    if (ready === 0) return undefined
    const returned = firstReady(returns)
    if (returned && context.returns === 'fifo') return returned
    const waiting = firstReady(window) ?? (returned ? undefined : firstWaiting())
    if (waiting && returned) return waiting.position < returned.position ? waiting : returned
    return waiting ?? returned
  }

  function firstWaiting(): StoredEntry | undefined {
    if (ready === 0) return undefined
    for (;;) {
      const entry = firstReady(window)
      if (entry || !refill()) return entry
    }
  }

  function headExpiresAt(): number {
    return firstReady(returns) ? (first()?.expiresAt ?? 0) : waitingExpiresAt()
  }

  function waitingExpiresAt(): number {
    const segment = firstReady(window) ? undefined : segments.first()
    return segment ? segment.expiresFrom : (firstWaiting()?.expiresAt ?? 0)
  }

  function take(entry: StoredEntry): void {
    if (entry === returns.first()) returns.shift()
    else window.shift()
    lane.isUsed = true
    mark.handOut(entry.position)
    entry.state = OUTSTANDING
    countReady(-1, entry)
    if (lastTaken) records.letGo(lastTaken)
    lastTaken = entry
    if (!entry.held) {
      entry.held = entry.message
      records.keep(entry)
    }
  }

  function giveBack(entry: StoredEntry) {
    if (entry.state !== OUTSTANDING) return
    if (entry.segment && durable) context.touch()
    records.letGo(entry)
    entry.state = READY
    entry.redelivered = true
    countReady(1, entry)
    records.keepCounts(entry)
    if (!entry.segment?.isOnDisk || (returns.held < limits.windowMessages && !isCrowded())) return returns.add(entry)
    returns.park(entry)
    entry.state = PAGED
    records.drop(entry)
  }

  function remove(entry: StoredEntry) {
    if (entry.state === REMOVED) return
    if (entry.state === PAGED)
      throw new Error('This entry has left memory: remove() takes what peek() or take() returned')
    // What was appended may be part of the commit that is put together; that it is gone is not.
    if (entry.segment || entry.inTail || entry.shared || isKept(entry)) context.touch()
    if (entry.state === READY) countReady(-1, entry)
    entry.state = REMOVED
    records.remove(entry)
    // A queue that nothing more comes to would keep its last message.
    if (entry === lastTaken) lastTaken = undefined
  }

  function purge() {
    if (pending.length > 0 || ready > 0) context.touch()
    for (const entry of [...window.clear(), ...tail]) remove(entry)
    tail = []
    for (const item of returns.clear()) {
      if (!isRun(item)) remove(item)
      else if (item.indexes.length === item.segment.live) records.removeSegment(item.segment)
      else for (const entry of records.expand(item)) remove(entry)
    }
    for (const segment of segments.clear()) {
      if (segment.waiting) for (const entry of records.load(segment) ?? []) remove(entry)
      else records.removeSegment(segment)
    }
    ready = 0
    readyBytes = 0
  }

  function pageOut(): number {
    const entries = window.clear()
    const waiting = entries.filter(({ state }) => state === READY)
    if (!waiting.every(({ segment }) => segment?.isOnDisk)) {
      for (const entry of entries) window.push(entry)
      return entries.length
    }
    const paged = new Set<Segment>()
    for (const entry of waiting) {
      const segment = entry.segment as Segment
      paged.add(segment)
      markWaiting(segment, entry.index)
      entry.state = PAGED
      records.drop(entry)
    }
    if (paged.size > 0) segments.prepend([...paged])
    return entries.length
  }

  function countReady(count: 1 | -1, entry: StoredEntry) {
    ready += count
    readyBytes += count * entry.bodyBytes
  }

  function collect(batch: Batch): boolean {
    const toKeep: StoredEntry[] = []
    const toPage: StoredEntry[] = []
    for (const entry of pending) {
      if (entry.onSafe) batch.afterwards(entry.onSafe)
      entry.onSafe = null
      if (entry.state === REMOVED) continue
      if (entry.inTail) toPage.push(entry)
      else if (isKept(entry) || isCrowded()) toKeep.push(entry)
    }
    pending = []
    tail = []
    // In memory they are entries; the record's bytes are for the database alone.
    for (const segment of records.write(batch, toKeep)) segment.raw = null
    for (const segment of records.write(batch, toPage)) segments.push(segment)
    for (const entry of toPage) {
      entry.state = PAGED
      records.drop(entry)
    }
    records.mergeSmall(batch, segments)
    records.collect(batch)
    return toKeep.length + toPage.length > 0
  }

  function discard(batch: Batch) {
    for (const entry of pending) if (entry.onSafe) batch.afterwards(entry.onSafe)
    pending = []
    memory.leave(lane)
    records.discard(batch)
  }

  const lane: Lane = {
    isUsed: false,
    priority: context.priority,
    source: records,
    get ready() {
      return ready
    },
    get readyBytes() {
      return readyBytes
    },
    append,
    first,
    headExpiresAt,
    waitingExpiresAt,
    firstReturned: () => (context.returns === 'fifo' ? firstReady(returns) : undefined),
    firstWaiting,
    take,
    giveBack,
    remove,
    purge,
    collect,
    pageOut,
    discard,
  }
  memory.join(lane)
  return lane
}

/** The first that waits; what was settled before is taken off. */
function firstReady(line: { first(): StoredEntry | undefined; shift(): unknown }): StoredEntry | undefined {
  let entry = line.first()
  for (; entry && entry.state !== READY; entry = line.first()) line.shift()
  return entry
}
