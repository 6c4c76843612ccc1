import type { Bodies } from './bodies.ts'
import type { Batch } from './commit.ts'
import type { Crowd } from './crowd.ts'
import type { Deque } from './deque.ts'
import { ENTRY_BYTES, type EntrySource, type Message, OUTSTANDING, type SharedBody, type StoredEntry } from './entry.ts'
import { indexKey, segmentKey } from './keys.ts'
import type { Mark } from './marks.ts'
import type { Run } from './returns.ts'
import { isRemoved, isWaiting, markRemoved, type Segment, setCounts } from './segment.ts'
import { encodeIndex } from './segment-index.ts'
import { readOne, readSegment, withSharedBody } from './segment-read.ts'
import { writeSegments } from './segment-write.ts'

// What a lane has on disk: segments with their index records, and references to shared bodies.

export interface RecordsContext {
  queueId: number
  priority: number
  durable: boolean
  mark: Mark
  bodies: Bodies
  /** What the entries of all lanes of the store take. */
  memory: Crowd
  /** A segment's record. @throws {SegmentFormatError} */
  load(segment: Segment): Buffer
  /** A segment can't be read. */
  onBroken(error: Error): void
}

export interface LaneRecords extends EntrySource {
  /** The entries of a segment that wait; undefined if it can't be read, which is reported. */
  load(segment: Segment): StoredEntry[] | undefined
  /** The entries of a run; none if it can't be read. */
  expand(run: Run): StoredEntry[]
  /** An entry is in memory: what it takes counts. */
  keep(entry: StoredEntry): void
  /** Lets go of what an entry's message takes, if it can be read again. */
  letGo(entry: StoredEntry): void
  /** It is in memory no more, as an entry. */
  drop(entry: StoredEntry): void
  remove(entry: StoredEntry): void
  /** Removes all that a segment has, none of which is in memory. */
  removeSegment(segment: Segment): void
  /** Keeps an entry's counts, if they changed. */
  keepCounts(entry: StoredEntry): void
  write(batch: Batch, entries: StoredEntry[]): Segment[]
  /** Makes one of small segments at the end of a list. */
  mergeSmall(batch: Batch, segments: Deque<Segment>): void
  /** Puts what was removed or counted. */
  collect(batch: Batch): void
  /** Gives up everything in memory. */
  discard(batch: Batch): void
}

// A publisher that waits for every confirm leaves segments of one message; so many of less than so much become one.
const MERGE_COUNT = 8
const MERGE_BYTES = 8_192

/** @param recovered the segments that a start found */
export function laneRecords(context: RecordsContext, recovered: readonly Segment[]): LaneRecords {
  const { queueId, priority, durable, mark, bodies, memory } = context
  const dirty = new Set<Segment>()
  /** The references of this lane that no commit has given up, by body. */
  let references: Map<SharedBody, number> | undefined
  let released: SharedBody[] = []
  let counted = 0
  let isDiscarded = false
  for (const segment of recovered) for (const body of segment.shared ?? []) if (body) refer(body)

  const records: LaneRecords = {
    load: (segment) => read(segment, isWaiting),

    expand({ segment, indexes, returned }) {
      const order = new Map(indexes.map((index, place) => [index, place]))
      const entries = read(segment, (_, index) => order.has(index)) ?? []
      for (const entry of entries) {
        entry.redelivered = true
        entry.returned = returned + (order.get(entry.index) as number)
        records.keep(entry)
      }
      return entries.sort((a, b) => a.returned - b.returned)
    },

    reload(entry) {
      const { segment, index } = entry
      if (!segment) throw new Error(`The message at ${entry.position} of queue ${queueId} was removed`)
      try {
        return readOne(segment, context.load(segment), index, bodies)
      } catch (error) {
        // A deleted log has no records.
        if (!isDiscarded) context.onBroken(error as Error)
        throw error
      }
    },

    keep(entry) {
      if (!entry.segment && entry.shared) {
        refer(entry.shared)
        bodies.hold(entry.shared)
      }
      count(entry, entry.size)
    },

    letGo(entry) {
      if (!entry.held || entry.state !== OUTSTANDING || !entry.segment?.isOnDisk) return
      entry.held = null
      count(entry, ENTRY_BYTES)
    },

    drop: (entry) => count(entry, 0),

    remove(entry) {
      count(entry, 0)
      const { segment, index, shared } = entry
      if (segment && isRemoved(segment, index)) return
      if (shared) released.push(shared)
      if (!segment) return
      if (segment.shared) segment.shared[index] = undefined
      markRemoved(segment, index, entry.bodyBytes)
      dirty.add(segment)
    },

    removeSegment(segment) {
      for (const body of segment.shared ?? []) if (body) released.push(body)
      segment.shared = null
      segment.live = 0
      dirty.add(segment)
    },

    keepCounts(entry) {
      if (entry.segment && setCounts(entry.segment, entry.index, entry)) dirty.add(entry.segment)
    },

    write,

    mergeSmall(batch, segments) {
      while (segments.length >= MERGE_COUNT) {
        const small = segments.last(MERGE_COUNT)
        if (small.some(({ size, waiting }) => size >= MERGE_BYTES || waiting)) return
        const entries: StoredEntry[] = []
        for (const segment of small) {
          const loaded = records.load(segment)
          if (!loaded) return
          entries.push(...loaded)
        }
        segments.drop(MERGE_COUNT)
        for (const segment of small) erase(batch, segment)
        for (const segment of write(batch, entries)) segments.push(segment)
      }
    },

    collect(batch) {
      for (const segment of dirty) {
        if (segment.live > 0) batch.put(indexKey(segment), encodeIndex(segment))
        else erase(batch, segment)
      }
      dirty.clear()
      for (const body of released) giveUp(body, batch)
      released = []
    },

    discard(batch) {
      dirty.clear()
      for (const [body, times] of references ?? []) for (let i = 0; i < times; i++) bodies.release(body, batch)
      references = undefined
      released = []
      memory.bytes -= counted
      isDiscarded = true
    },
  }
  const reading = { source: records, bodies, handedOut: mark.recovered }
  return records

  function read(segment: Segment, isWanted: (segment: Segment, index: number) => boolean): StoredEntry[] | undefined {
    try {
      return readSegment(segment, context.load(segment), isWanted, reading)
    } catch (error) {
      context.onBroken(error as Error)
      return undefined
    }
  }

  function count(entry: StoredEntry, bytes: number) {
    // An action of an earlier commit that has failed may still come to it.
    if (isDiscarded) return
    const change = bytes - entry.counted
    entry.counted = bytes
    counted += change
    memory.bytes += change
  }

  function refer(body: SharedBody) {
    references ??= new Map()
    references.set(body, (references.get(body) ?? 0) + 1)
  }

  function giveUp(body: SharedBody, batch: Batch) {
    const left = (references?.get(body) ?? 0) - 1
    if (left > 0) references?.set(body, left)
    else references?.delete(body)
    bodies.release(body, batch)
  }

  function write(batch: Batch, entries: StoredEntry[]): Segment[] {
    const written = writeSegments(queueId, priority, entries, durable)
    for (const { shared, held } of entries) if (shared && held) bodies.store(shared, () => held.body, batch)
    for (const segment of written) {
      batch.put(segmentKey(segment), segment.raw as Buffer)
      batch.put(indexKey(segment), encodeIndex(segment))
    }
    batch.afterwards(() => {
      for (const segment of written) {
        segment.raw = null
        segment.isOnDisk = true
      }
      for (const entry of entries) {
        if (entry.state === OUTSTANDING) records.letGo(entry)
        else if (entry.shared && entry.held) entry.held = onDisk(entry.held, entry.shared)
      }
    })
    return written
  }

  function onDisk(message: Message, shared: SharedBody): Message {
    const isRead = Object.getOwnPropertyDescriptor(message, 'body')?.get !== undefined
    return isRead ? message : withSharedBody(message, shared, bodies)
  }

  function erase(batch: Batch, segment: Segment) {
    batch.remove(segmentKey(segment))
    batch.remove(indexKey(segment))
  }
}
