import type { Bodies } from './bodies.ts'
import type { Batch } from './commit.ts'
import type { Crowd } from './crowd.ts'
import type { Deque } from './deque.ts'
import { ENTRY_BYTES, type EntrySource, type Message, OUTSTANDING, type SharedBody, type StoredEntry } from './entry.ts'
import { indexKey, segmentKey } from './keys.ts'
import { follow, mergeLast, moveTogether } from './move-together.ts'
import { References } from './references.ts'
import type { Run } from './returns.ts'
import { isRemoved, isWaiting, markRemoved, placeNow, type Segment, setCounts } from './segment.ts'
import { encodeIndex } from './segment-index.ts'
import { readOnDemand, readOne, readSegment } from './segment-read.ts'
import { writeSegments } from './segment-write.ts'
import { Stragglers } from './stragglers.ts'
import type { Tidy, Tidying } from './tidying.ts'
import type { Limits } from './window.ts'

/** What the lanes of all logs share. */
export interface RecordsTools {
  readonly bodies: Bodies
  /** What the entries of all lanes of the store take. */
  readonly memory: Crowd
  readonly tidying: Tidying
  readonly limits: Pick<Limits, 'sparseBytes'>
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
  /** Has collect() called for the next commit. To be called before a change, as a commit may take up first what there is. */
  touch(bytes?: number): void
}

/** What a lane has on disk: segments with their index records, and references to shared bodies. */
export class LaneRecords implements EntrySource, Tidy {
  readonly #log: RecordsOwner
  readonly #priority: number
  /** Positions below it may have been handed out before the store was opened. */
  readonly #handedOut: number
  /** Segments of which something was removed or counted since the last commit. */
  #dirty: Set<Segment> | undefined
  /** Once there are any. */
  #references: References | undefined
  /** Its segments, once there are any. */
  #stragglers: Stragglers | undefined
  #counted = 0
  #isDiscarded = false

  /** @param recovered the segments that a start found */
  constructor(log: RecordsOwner, priority: number, handedOut: number, recovered: readonly Segment[]) {
    this.#log = log
    this.#priority = priority
    this.#handedOut = handedOut
    for (const { shared } of recovered) if (shared) for (const body of shared) if (body) this.#refer(body)
    this.#list(recovered)
  }

  /** The entries of a segment that wait; undefined if it can't be read, which is reported. */
  load(segment: Segment): StoredEntry[] | undefined {
    return this.#read(segment, isWaiting)
  }

  /** The entries of a run; none if it can't be read. */
  expand({ segment, indexes, returned }: Run): StoredEntry[] {
    const orders = new Map<Segment, Map<number, number>>()
    for (const [place, index] of indexes.entries()) {
      const now = placeNow(segment, index)
      const order = orders.get(now.segment) ?? new Map<number, number>()
      orders.set(now.segment, order.set(now.index, place))
    }
    const all: StoredEntry[] = []
    for (const [now, order] of orders) {
      for (const entry of this.#read(now, (_, index) => order.has(index)) ?? []) {
        entry.redelivered = true
        entry.returned = returned + (order.get(entry.index) as number)
        this.keep(entry)
        all.push(entry)
      }
    }
    return all.sort((a, b) => a.returned - b.returned)
  }

  reload(entry: StoredEntry): Message {
    follow(entry)
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
    follow(entry)
    const { segment, index, shared } = entry
    if (segment && isRemoved(segment, index)) return
    if (shared) this.#references?.release(shared)
    if (!segment) return
    if (segment.shared) segment.shared[index] = undefined
    markRemoved(segment, index, entry.bodyBytes)
    this.#stragglers?.onRemoved(segment)
    this.#change(segment)
  }

  /** Removes all that a segment has, none of which is in memory. */
  removeSegment(segment: Segment): void {
    if (segment.shared) for (const body of segment.shared) if (body) this.#references?.release(body)
    segment.shared = null
    segment.live = 0
    this.#change(segment)
  }

  /** Keeps an entry's counts, if they changed. */
  keepCounts(entry: StoredEntry): void {
    follow(entry)
    if (entry.segment && setCounts(entry.segment, entry.index, entry)) this.#change(entry.segment)
  }

  /** Writes entries that are behind all that was written. */
  write(batch: Batch, entries: readonly StoredEntry[]): Segment[] {
    const written = this.#write(batch, entries)
    this.#list(written)
    return written
  }

  /** Writes entries that are of no use after a restart, wherever their places are. */
  writeApart(batch: Batch, entries: readonly StoredEntry[]): void {
    for (const segment of this.#write(batch, entries)) segment.raw = null
  }

  /** Makes one of small segments at the end of a list. */
  mergeSmall(batch: Batch, segments: Deque<Segment>): void {
    mergeLast(segments, {
      read: (segment) => this.load(segment),
      exchange: (old, entries) => this.#exchange(batch, old, entries),
    })
  }

  /**
   * Moves what is left in segments that stay mostly empty.
   * @param waiting those that have messages on disk alone, in the order of their positions
   */
  moveStragglers(batch: Batch, waiting: Deque<Segment>): void {
    if (!this.#stragglers) return
    const { tidying } = this.#log.tools
    for (const group of this.#stragglers.take(tidying.left)) {
      tidying.left -= group.length
      moveTogether(group, waiting, {
        read: (segment) => this.#read(segment, isLeft),
        exchange: (old, entries) => this.#exchange(batch, old, entries),
      })
    }
    if (this.#stragglers.isDue()) tidying.again(this)
  }

  tidy(): void {
    this.#log.touch()
  }

  look(): ReturnType<Tidy['look']> {
    return this.#stragglers?.look() ?? 'none'
  }

  /** Puts what was removed or counted. */
  collect(batch: Batch): void {
    for (const segment of this.#dirty ?? []) {
      if (segment.live > 0) batch.put(indexKey(segment), encodeIndex(segment))
      else {
        erase(batch, segment)
        this.#stragglers?.remove(segment)
      }
    }
    this.#dirty = undefined
    this.#references?.collect(this.#log.tools.bodies, batch)
  }

  /** Gives up everything in memory. */
  discard(batch: Batch): void {
    const { bodies, memory, tidying } = this.#log.tools
    this.#dirty = undefined
    tidying.leave(this)
    this.#references?.discard(bodies, batch)
    memory.bytes -= this.#counted
    this.#isDiscarded = true
  }

  #list(segments: readonly Segment[]): void {
    if (segments.length === 0) return
    const { limits, tidying } = this.#log.tools
    this.#stragglers ??= new Stragglers(limits.sparseBytes, () => tidying.join(this))
    this.#stragglers.add(segments)
  }

  /** Writes new segments in the place of others, which are neighbours and have these entries left. */
  #exchange(batch: Batch, old: readonly Segment[], entries: readonly StoredEntry[]): Segment[] {
    for (const segment of old) {
      erase(batch, segment)
      this.#dirty?.delete(segment)
    }
    const written = this.#write(batch, entries)
    this.#stragglers?.replace(old, written)
    return written
  }

  #write(batch: Batch, entries: readonly StoredEntry[]): Segment[] {
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
    this.#references ??= new References()
    this.#references.add(body)
  }

  #written(segments: readonly Segment[], entries: readonly StoredEntry[]): void {
    for (const segment of segments) {
      segment.raw = null
      segment.isOnDisk = true
    }
    for (const entry of entries) {
      if (entry.state === OUTSTANDING) this.letGo(entry)
      else if (entry.shared && entry.held) entry.held = readOnDemand(entry.held, entry.shared, this.#log.tools.bodies)
    }
  }
}

function isLeft(segment: Segment, index: number): boolean {
  return !isRemoved(segment, index)
}

function erase(batch: Batch, segment: Segment): void {
  batch.remove(segmentKey(segment))
  batch.remove(indexKey(segment))
}
