import { textLength } from '../../amqp/text.ts'
import type { Batch, Source } from './commit.ts'
import { type Entry, type Message, StoredEntry } from './entry.ts'
import { earlier, isOver } from './expires.ts'
import { Lane, type LaneOwner, type LaneTools } from './lane.ts'
import type { Mark } from './marks.ts'
import { MAX_NAME, type Segment } from './segment.ts'

export type { Entry, Message } from './entry.ts'

/** The messages of one queue, most of which may be on disk alone. */
export interface QueueLog {
  /** How many messages wait: not handed out, not removed. */
  readonly ready: number
  /** The bytes of their bodies. */
  readonly readyBytes: number
  /**
   * Adds a message at the end of its priority. The entry is for looking at: what to remove comes from peek() or take().
   * Throws RangeError for an exchange's name or a routing key of over 255 bytes.
   * @param expiresAt ms since the epoch, 0 for never
   * @param onSafe is called once, never synchronously, when the message is synced, or is in memory and need not be
   */
  append(message: Message, expiresAt: number, onSafe?: () => void): Entry
  /** The head: the highest rank first, then the lowest position. With returns 'fifo' what came back is before all that. */
  peek(): Entry | undefined
  /** The head if its time is over; with returns 'fifo' otherwise another priority's first whose time is over. */
  firstExpired(now: number): Entry | undefined
  /**
   * When firstExpired() has something, or a moment before that while it is on disk alone; 0 for never. Reads nothing, so that
   * a start can ask thousands of logs.
   */
  headExpiresAt(): number
  /** Hands the head out, or what firstExpired() has given: it belongs to the caller until remove() or giveBack(). */
  take(entry?: Entry): Entry | undefined
  /** Makes an entry ready again, marked redelivered; keeps its counts if they changed. */
  giveBack(entry: Entry): void
  /** Deletes an entry that is handed out or ready. */
  remove(entry: Entry): void
  /** Deletes everything ready, and returns how many that were. */
  purge(): number
  /** Deletes the log. What is done to it or its entries later does nothing. */
  destroy(): void
}

/** What all logs of a store share. */
export interface LogTools extends LaneTools {
  /** Has the log's changes collected by the next commit. */
  touch(source: Source, bytes?: number): void
  /** How far the messages of a priority were handed out. @param nextPosition where the log's next message goes */
  markOf(log: LaneOwner, priority: number, nextPosition: number): Mark
  /** A log's deletion is committed. */
  onDestroyed(queueId: number): void
}

/** What a log is, by its queue's definition and what a start found. */
export interface LogOptions {
  readonly queueId: number
  /** Whether persistent messages outlive a restart. */
  readonly durable: boolean
  /** Where entries go that are given back: where they were, or before all others. */
  readonly returns: 'position' | 'fifo'
  /** By what priorities are served, the highest first. */
  readonly rankOf: (priority: number) => number
  /** No mark and no segment is at this position or behind it. */
  readonly nextPosition: number
}

/** @throws RangeError for a name that no segment takes, before anything is kept of the message */
function checkNames({ exchange, routingKey }: Message): void {
  for (const name of [exchange, routingKey]) {
    // A character has at most three bytes a unit.
    if (name.length * 3 <= MAX_NAME || textLength(name) <= MAX_NAME) continue
    throw new RangeError(
      `expected a name of at most ${MAX_NAME} bytes, found ${textLength(name)}: ${name.slice(0, 60)}…`,
    )
  }
}

/** @param recovered the segments that a start found: by priority, and each priority's in order */
export function createLog(tools: LogTools, options: LogOptions, recovered: readonly Segment[]): QueueLog {
  return new Log(tools, options, recovered)
}

const NOTHING: readonly [] = []

// A class, with parts that are made when they are needed: there can be tens of thousands of logs.
class Log implements QueueLog, LaneOwner, Source {
  readonly tools: LogTools
  readonly queueId: number
  readonly durable: boolean
  readonly returns: 'position' | 'fifo'
  readonly #rankOf: (priority: number) => number
  /** The highest rank first. */
  #lanes: readonly Lane[] = NOTHING
  #nextPosition: number
  #returnedCount = 0
  #isDestroyed = false
  /** Whether anything of it was ever given to a commit. */
  #hasRecords: boolean
  /** What a start found and nobody has asked for: most of thousands of logs stay that way for long. */
  #unopened: readonly Segment[]

  constructor(tools: LogTools, options: LogOptions, recovered: readonly Segment[]) {
    this.tools = tools
    this.queueId = options.queueId
    this.durable = options.durable
    this.returns = options.returns
    this.#rankOf = options.rankOf
    this.#nextPosition = options.nextPosition
    this.#hasRecords = recovered.length > 0
    this.#unopened = recovered
  }

  get ready(): number {
    let total = 0
    for (const lane of this.#lanes) total += lane.ready
    for (const { live } of this.#unopened) total += live
    return total
  }

  get readyBytes(): number {
    let total = 0
    for (const lane of this.#lanes) total += lane.readyBytes
    for (const { liveBytes } of this.#unopened) total += liveBytes
    return total
  }

  append(message: Message, expiresAt: number, onSafe?: () => void): Entry {
    if (this.#isDestroyed) throw new Error('The log was destroyed')
    checkNames(message)
    this.#open()
    const lane = this.#laneOf(message.priority) ?? this.#addLane(message.priority, [])
    const failures = message.failures ?? 0
    const entry = new StoredEntry(lane.source, {
      position: this.#nextPosition++,
      message,
      expiresAt,
      deliveryCount: failures,
      acquiredCount: 0,
      redelivered: failures > 0,
    })
    entry.onSafe = onSafe ?? null
    lane.append(entry)
    return entry
  }

  peek(): StoredEntry | undefined {
    this.#open()
    if (this.#lanes.length === 1) return this.#lanes[0]?.first()
    return this.#firstReturned() ?? this.#firstLane()?.first()
  }

  firstExpired(now: number): StoredEntry | undefined {
    const first = this.peek()
    if (isOver(first, now) || this.returns !== 'fifo') return isOver(first, now) ? first : undefined
    for (const lane of this.#lanes) {
      const entry = lane.firstWaiting()
      if (isOver(entry, now)) return entry
    }
    return undefined
  }

  headExpiresAt(): number {
    if (this.#unopened.length > 0) return firstExpiry(this.#unopened)
    if (this.returns !== 'fifo') return this.#firstLane()?.headExpiresAt() ?? 0
    // Of what came back only the first is looked at.
    let next = this.#firstReturned()?.expiresAt ?? 0
    for (const lane of this.#lanes) next = earlier(next, lane.waitingExpiresAt())
    return next
  }

  take(entry = this.peek()): Entry | undefined {
    if (entry) this.#laneWith(entry).take(entry as StoredEntry)
    return entry
  }

  giveBack(entry: Entry): void {
    if (this.#isDestroyed) return
    ;(entry as StoredEntry).returned = ++this.#returnedCount
    this.#laneWith(entry).giveBack(entry as StoredEntry)
  }

  remove(entry: Entry): void {
    if (!this.#isDestroyed) this.#laneWith(entry).remove(entry as StoredEntry)
  }

  purge(): number {
    this.#open()
    const count = this.ready
    for (const lane of this.#lanes) lane.purge()
    return count
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.touch()
    this.purge()
    this.#isDestroyed = true
  }

  touch(bytes?: number): void {
    this.tools.touch(this, bytes)
  }

  collect(batch: Batch): void {
    if (!this.#isDestroyed) {
      for (const lane of this.#lanes) this.#hasRecords = lane.collect(batch) || this.#hasRecords
      return
    }
    for (const lane of this.#lanes) lane.discard(batch)
    this.#lanes = NOTHING
    const onDestroyed = () => this.tools.onDestroyed(this.queueId)
    if (this.#hasRecords) batch.removeLog(this.queueId, onDestroyed)
    else batch.afterwards(onDestroyed)
  }

  #open(): void {
    const found = this.#unopened
    if (found.length === 0) return
    this.#unopened = NOTHING
    const byPriority = new Map<number, Segment[]>()
    for (const segment of found) {
      const others = byPriority.get(segment.priority)
      if (others) others.push(segment)
      else byPriority.set(segment.priority, [segment])
    }
    for (const [priority, segments] of byPriority) this.#addLane(priority, segments)
  }

  #addLane(priority: number, segments: Segment[]): Lane {
    const lane = new Lane(this, priority, this.tools.markOf(this, priority, this.#nextPosition), segments)
    this.#lanes =
      this.#lanes.length === 0
        ? [lane]
        : [...this.#lanes, lane].sort((a, b) => this.#rankOf(b.priority) - this.#rankOf(a.priority))
    return lane
  }

  #laneOf(priority: number): Lane | undefined {
    for (const lane of this.#lanes) if (lane.priority === priority) return lane
    return undefined
  }

  #laneWith(entry: Entry): Lane {
    return this.#laneOf((entry as StoredEntry).priority) as Lane
  }

  #firstLane(): Lane | undefined {
    for (const lane of this.#lanes) if (lane.ready > 0) return lane
    return undefined
  }

  #firstReturned(): StoredEntry | undefined {
    let first: StoredEntry | undefined
    for (const lane of this.#lanes) {
      const entry = lane.firstReturned()
      if (entry && (first === undefined || entry.returned < first.returned)) first = entry
    }
    return first
  }
}

/** The earliest moment at which the first of a priority's messages may expire; 0 for never. */
function firstExpiry(segments: readonly Segment[]): number {
  let next = 0
  let priority = -1
  for (const segment of segments) {
    if (segment.priority === priority) continue
    priority = segment.priority
    next = earlier(next, segment.expiresFrom)
  }
  return next
}
