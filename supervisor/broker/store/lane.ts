import type { Batch } from './commit.ts'
import { createDeque } from './deque.ts'
import { OUTSTANDING, PAGED, READY, REMOVED, type StoredEntry } from './entry.ts'
import { earlier } from './expires.ts'
import { indexKey, segmentKey } from './keys.ts'
import type { Mark } from './marks.ts'
import { queuedReturns, sortedReturns } from './returns.ts'
import { isRemoved, markRemoved, readSegment, type Segment, setCounts, writeSegments } from './segment.ts'
import { encodeIndex } from './segment-index.ts'
import { createWindow, type Limits, sizeOf } from './window.ts'

// The messages of one queue and one priority, in three parts, the oldest first:
//   window    entries in memory; what was loaded last and, while nothing is behind it, what is appended
//   segments  on disk alone (or still on their way there, as the bytes of their record)
//   tail      appended behind a full window since the last commit; the next one makes segments of it
// Entries that were given back wait apart. In the order of positions they are never behind a segment.

/** What a lane needs of the store around it. */
export interface LaneContext {
  queueId: number
  priority: number
  durable: boolean
  returns: 'position' | 'fifo'
  limits: Limits
  mark: Mark
  /** Bytes in the windows of all lanes of the store. */
  memory: { bytes: number }
  load(key: Buffer): Buffer | undefined
  /** Has collect() called for the next commit. To be called before a change, as a commit may take up first what there is. */
  touch(bytes?: number): void
  /** A segment can't be read. */
  onBroken(error: Error): void
}

export interface Lane {
  readonly priority: number
  readonly ready: number
  readonly readyBytes: number
  append(entry: StoredEntry): void
  first(): StoredEntry | undefined
  /** As QueueLog's. */
  headExpiresAt(): number
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

// A publisher that waits for every confirm leaves segments of one message; so many of less than so much become one.
const MERGE_COUNT = 8
const MERGE_BYTES = 8_192

/** @param recovered the segments that a start found, in order */
export function createLane(context: LaneContext, recovered: Segment[]): Lane {
  const { queueId, priority, durable, mark } = context
  const window = createWindow(context.limits, context.memory)
  const returns = context.returns === 'fifo' ? queuedReturns() : sortedReturns()
  const segments = createDeque<Segment>(recovered)
  const dirty = new Set<Segment>()
  let tail: StoredEntry[] = []
  let pending: StoredEntry[] = []
  let ready = 0
  let readyBytes = 0
  for (const segment of recovered) {
    ready += segment.live
    readyBytes += segment.liveBytes
  }

  function append(entry: StoredEntry) {
    const isBehind = segments.length > 0 || tail.length > 0 || window.isFull
    const isPending = isBehind || entry.onSafe !== null || isKept(entry)
    // The tail may become segments by it, in front of which the entry must not get.
    if (isPending) context.touch(sizeOf(entry))
    ready++
    readyBytes += entry.message.body.length
    if (isPending) pending.push(entry)
    entry.inTail = isBehind
    if (isBehind) tail.push(entry)
    else window.push(entry)
  }

  function isKept({ message }: StoredEntry): boolean {
    return durable && message.persistent
  }

  /** Brings the next messages into the empty window; false if there are none. */
  function refill(): boolean {
    const segment = segments.first()
    if (segment) {
      try {
        for (const entry of load(segment)) window.push(entry)
      } catch (error) {
        // The segment stays where it is: what is behind it must not overtake it.
        context.onBroken(error as Error)
        return false
      }
      segments.shift()
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

  function load(segment: Segment): StoredEntry[] {
    return readSegment(segment, segment.raw ?? context.load(segmentKey(segment)), mark.recovered)
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
    const returned = firstReady(returns)
    if (returned && context.returns === 'position') return first()?.expiresAt ?? 0
    return earlier(returned?.expiresAt ?? 0, waitingExpiresAt())
  }

  function waitingExpiresAt(): number {
    const segment = firstReady(window) ? undefined : segments.first()
    return segment ? segment.expiresFrom : (firstWaiting()?.expiresAt ?? 0)
  }

  function take(entry: StoredEntry): void {
    if (entry === returns.first()) returns.shift()
    else window.shift()
    mark.handOut(entry.position)
    entry.state = OUTSTANDING
    countReady(-1, entry)
  }

  function giveBack(entry: StoredEntry) {
    if (entry.state !== OUTSTANDING) return
    if (entry.segment && durable) context.touch()
    entry.state = READY
    entry.redelivered = true
    countReady(1, entry)
    returns.add(entry)
    if (entry.segment && setCounts(entry.segment, entry.index, entry)) soil(entry.segment)
  }

  function remove(entry: StoredEntry) {
    if (entry.state === REMOVED) return
    if (entry.state === PAGED)
      throw new Error('This entry has left memory: remove() takes what peek() or take() returned')
    // What was appended may be part of the commit that is put together; that it is gone is not.
    if (entry.segment || entry.inTail || isKept(entry)) context.touch()
    if (entry.state === READY) countReady(-1, entry)
    entry.state = REMOVED
    if (!entry.segment || isRemoved(entry.segment, entry.index)) return
    markRemoved(entry.segment, entry.index, entry.message.body.length)
    soil(entry.segment)
  }

  function purge() {
    if (pending.length > 0 || segments.length > 0) context.touch()
    for (const entry of [...window.clear(), ...returns.clear(), ...tail]) remove(entry)
    tail = []
    for (const segment of segments.clear()) {
      segment.live = 0
      soil(segment)
    }
    ready = 0
    readyBytes = 0
  }

  function countReady(count: 1 | -1, entry: StoredEntry) {
    ready += count
    readyBytes += count * entry.message.body.length
  }

  /** The caller has touched the lane. */
  function soil(segment: Segment) {
    dirty.add(segment)
  }

  function collect(batch: Batch): boolean {
    const toKeep: StoredEntry[] = []
    const toPage: StoredEntry[] = []
    for (const entry of pending) {
      if (entry.onSafe) batch.afterwards(entry.onSafe)
      entry.onSafe = null
      if (entry.state === REMOVED) continue
      if (entry.inTail) toPage.push(entry)
      else if (isKept(entry)) toKeep.push(entry)
    }
    pending = []
    tail = []
    // In memory they are entries; the record's bytes are for the database alone.
    for (const segment of write(batch, toKeep)) segment.raw = null
    for (const segment of write(batch, toPage)) segments.push(segment)
    for (const entry of toPage) entry.state = PAGED
    mergeSmall(batch)
    for (const segment of dirty) {
      if (segment.live > 0) {
        batch.put(indexKey(segment), encodeIndex(segment))
      } else {
        erase(batch, segment)
      }
    }
    dirty.clear()
    return toKeep.length + toPage.length > 0
  }

  function write(batch: Batch, entries: StoredEntry[]): Segment[] {
    const written = writeSegments(queueId, priority, entries, durable)
    for (const segment of written) {
      batch.put(segmentKey(segment), segment.raw as Buffer)
      batch.put(indexKey(segment), encodeIndex(segment))
      batch.afterwards(() => {
        segment.raw = null
      })
    }
    return written
  }

  function mergeSmall(batch: Batch) {
    while (segments.length >= MERGE_COUNT) {
      const small = segments.last(MERGE_COUNT)
      if (small.some((segment) => segment.size >= MERGE_BYTES)) return
      let entries: StoredEntry[]
      try {
        entries = small.flatMap(load)
      } catch (error) {
        context.onBroken(error as Error)
        return
      }
      segments.drop(MERGE_COUNT)
      for (const segment of small) erase(batch, segment)
      for (const segment of write(batch, entries)) segments.push(segment)
    }
  }

  function erase(batch: Batch, segment: Segment) {
    batch.remove(segmentKey(segment))
    batch.remove(indexKey(segment))
  }

  function discard(batch: Batch) {
    for (const entry of pending) if (entry.onSafe) batch.afterwards(entry.onSafe)
    pending = []
    dirty.clear()
  }

  return {
    priority,
    get ready() {
      return ready
    },
    get readyBytes() {
      return readyBytes
    },
    append,
    first,
    headExpiresAt,
    firstReturned: () => (context.returns === 'fifo' ? firstReady(returns) : undefined),
    firstWaiting,
    take,
    giveBack,
    remove,
    purge,
    collect,
    discard,
  }
}

/** The first that waits; what was settled before is taken off. */
function firstReady(line: { first(): StoredEntry | undefined; shift(): unknown }): StoredEntry | undefined {
  let entry = line.first()
  for (; entry && entry.state !== READY; entry = line.first()) line.shift()
  return entry
}
