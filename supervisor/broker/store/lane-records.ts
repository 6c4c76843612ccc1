import type { Bodies } from './bodies.ts'
import type { Batch } from './commit.ts'
import type { Crowd } from './crowd.ts'
import type { Deque } from './deque.ts'
import { ENTRY_BYTES, type EntrySource, type Message, OUTSTANDING, type SharedBody, type StoredEntry } from './entry.ts'
import { indexKey, segmentKey } from './keys.ts'
import type { Run } from './returns.ts'
import { isRemoved, isWaiting, markRemoved, type Segment, setCounts } from './segment.ts'
import { encodeIndex } from './segment-index.ts'
import { readOne, readSegment, withSharedBody } from './segment-read.ts'
import { writeSegments } from './segment-write.ts'

/** What the lanes of all logs share. */
export interface RecordsTools {
  readonly bodies: Bodies
  /** What the entries of all lanes of the store take. */
  readonly memory: Crowd
  /** A segment's record. @throws {SegmentFormatError} */
  load(segment: Segment): Buffer
  /** A segment of the queue can't be read. */
  onBroken(queueId: number, error: Error): void
}

/** The log that a lane is part of. */
export interface RecordsOwner {
  readonly tools: RecordsTools
  readonly queueId: number
  /** Whether persistent messages outlive a restart. */
  readonly durable: boolean
}

// A publisher that waits for every confirm leaves segments of one message; so many of less than so much become one.
const MERGE_COUNT = 8
const MERGE_BYTES = 8_192

/** What a lane has on disk: segments with their index records, and references to shared bodies. */
export class LaneRecords implements EntrySource {
  readonly #log: RecordsOwner
  readonly #priority: number
  /** Positions below it may have been handed out before the store was opened. */
  readonly #handedOut: number
  /** Segments of which something was removed or counted since the last commit. */
  #dirty: Set<Segment> | undefined
  /** The references of this lane that no commit has given up, by body. */
  #references: Map<SharedBody, number> | undefined
  #released: SharedBody[] | undefined
  #counted = 0
  #isDiscarded = false

  /** @param recovered the segments that a start found */
  constructor(log: RecordsOwner, priority: number, handedOut: number, recovered: readonly Segment[]) {
    this.#log = log
    this.#priority = priority
    this.#handedOut = handedOut
    for (const { shared } of recovered) if (shared) for (const body of shared) if (body) this.#refer(body)
  }

  /** The entries of a segment that wait; undefined if it can't be read, which is reported. */
  load(segment: Segment): StoredEntry[] | undefined {
    return this.#read(segment, isWaiting)
  }

  /** The entries of a run; none if it can't be read. */
  expand({ segment, indexes, returned }: Run): StoredEntry[] {
    const order = new Map(indexes.map((index, place) => [index, place]))
    const entries = this.#read(segment, (_, index) => order.has(index)) ?? []
    for (const entry of entries) {
      entry.redelivered = true
      entry.returned = returned + (order.get(entry.index) as number)
      this.keep(entry)
    }
    return entries.sort((a, b) => a.returned - b.returned)
  }

  reload(entry: StoredEntry): Message {
    const { queueId, tools } = this.#log
    const { segment, index } = entry
    if (!segment) throw new Error(`The message at ${entry.position} of queue ${queueId} was removed`)
    try {
      return readOne(segment, tools.load(segment), index, tools.bodies)
    } catch (error) {
      // A deleted log has no records.
      if (!this.#isDiscarded) tools.onBroken(queueId, error as Error)
      throw error
    }
  }

  /** An entry is in memory: what it takes counts. */
  keep(entry: StoredEntry): void {
    if (!entry.segment && entry.shared) {
      this.#refer(entry.shared)
      this.#log.tools.bodies.hold(entry.shared)
    }
    this.#count(entry, entry.size)
  }

  /** Lets go of what an entry's message takes, if it can be read again. */
  letGo(entry: StoredEntry): void {
    if (!entry.held || entry.state !== OUTSTANDING || !entry.segment?.isOnDisk) return
    entry.held = null
    this.#count(entry, ENTRY_BYTES)
  }

  /** It is in memory no more, as an entry. */
  drop(entry: StoredEntry): void {
    this.#count(entry, 0)
  }

  remove(entry: StoredEntry): void {
    this.#count(entry, 0)
    const { segment, index, shared } = entry
    if (segment && isRemoved(segment, index)) return
    if (shared) this.#release(shared)
    if (!segment) return
    if (segment.shared) segment.shared[index] = undefined
    markRemoved(segment, index, entry.bodyBytes)
    this.#change(segment)
  }

  /** Removes all that a segment has, none of which is in memory. */
  removeSegment(segment: Segment): void {
    if (segment.shared) for (const body of segment.shared) if (body) this.#release(body)
    segment.shared = null
    segment.live = 0
    this.#change(segment)
  }

  /** Keeps an entry's counts, if they changed. */
  keepCounts(entry: StoredEntry): void {
    if (entry.segment && setCounts(entry.segment, entry.index, entry)) this.#change(entry.segment)
  }

  write(batch: Batch, entries: readonly StoredEntry[]): Segment[] {
    if (entries.length === 0) return []
    const { queueId, durable, tools } = this.#log
    const written = writeSegments(queueId, this.#priority, entries, durable)
    for (const { shared, held } of entries) if (shared && held) tools.bodies.store(shared, () => held.body, batch)
    for (const segment of written) {
      batch.put(segmentKey(segment), segment.raw as Buffer)
      batch.put(indexKey(segment), encodeIndex(segment))
    }
    batch.afterwards(() => this.#written(written, entries))
    return written
  }

  /** Makes one of small segments at the end of a list. */
  mergeSmall(batch: Batch, segments: Deque<Segment>): void {
    while (segments.length >= MERGE_COUNT) {
      const small = segments.last(MERGE_COUNT)
      if (small.some(({ size, waiting }) => size >= MERGE_BYTES || waiting)) return
      const entries: StoredEntry[] = []
      for (const segment of small) {
        const loaded = this.load(segment)
        if (!loaded) return
        entries.push(...loaded)
      }
      segments.drop(MERGE_COUNT)
      for (const segment of small) erase(batch, segment)
      for (const segment of this.write(batch, entries)) segments.push(segment)
    }
  }

  /** Puts what was removed or counted. */
  collect(batch: Batch): void {
    for (const segment of this.#dirty ?? []) {
      if (segment.live > 0) batch.put(indexKey(segment), encodeIndex(segment))
      else erase(batch, segment)
    }
    this.#dirty = undefined
    for (const body of this.#released ?? []) this.#giveUp(body, batch)
    this.#released = undefined
  }

  /** Gives up everything in memory. */
  discard(batch: Batch): void {
    const { bodies, memory } = this.#log.tools
    this.#dirty = undefined
    for (const [body, times] of this.#references ?? []) for (let i = 0; i < times; i++) bodies.release(body, batch)
    this.#references = undefined
    this.#released = undefined
    memory.bytes -= this.#counted
    this.#isDiscarded = true
  }

  #read(segment: Segment, isWanted: (segment: Segment, index: number) => boolean): StoredEntry[] | undefined {
    const { queueId, tools } = this.#log
    try {
      const reading = { source: this, bodies: tools.bodies, handedOut: this.#handedOut }
      return readSegment(segment, tools.load(segment), isWanted, reading)
    } catch (error) {
      tools.onBroken(queueId, error as Error)
      return undefined
    }
  }

  #count(entry: StoredEntry, bytes: number): void {
    // An action of an earlier commit that has failed may still come to it.
    if (this.#isDiscarded) return
    const change = bytes - entry.counted
    entry.counted = bytes
    this.#counted += change
    this.#log.tools.memory.bytes += change
  }

  #change(segment: Segment): void {
    this.#dirty ??= new Set()
    this.#dirty.add(segment)
  }

  #refer(body: SharedBody): void {
    this.#references ??= new Map()
    this.#references.set(body, (this.#references.get(body) ?? 0) + 1)
  }

  #release(body: SharedBody): void {
    this.#released ??= []
    this.#released.push(body)
  }

  #giveUp(body: SharedBody, batch: Batch): void {
    const left = (this.#references?.get(body) ?? 0) - 1
    if (left > 0) this.#references?.set(body, left)
    else this.#references?.delete(body)
    this.#log.tools.bodies.release(body, batch)
  }

  #written(segments: readonly Segment[], entries: readonly StoredEntry[]): void {
    for (const segment of segments) {
      segment.raw = null
      segment.isOnDisk = true
    }
    for (const entry of entries) {
      if (entry.state === OUTSTANDING) this.letGo(entry)
      else if (entry.shared && entry.held) entry.held = this.#onDisk(entry.held, entry.shared)
    }
  }

  #onDisk(message: Message, shared: SharedBody): Message {
    const isRead = Object.getOwnPropertyDescriptor(message, 'body')?.get !== undefined
    return isRead ? message : withSharedBody(message, shared, this.#log.tools.bodies)
  }
}

function erase(batch: Batch, segment: Segment): void {
  batch.remove(segmentKey(segment))
  batch.remove(indexKey(segment))
}
