import { textLength } from '../../amqp/text.ts'
import type { Batch, Source } from './commit.ts'
import { type Entry, type Message, StoredEntry } from './entry.ts'
import { earlier, isOver } from './expires.ts'
import { createLane, type Lane, type LaneContext } from './lane.ts'
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

export interface LogContext extends Omit<LaneContext, 'priority' | 'touch' | 'mark'> {
  touch(source: Source, bytes?: number): void
  markOf(priority: number): Mark
  /** By what priorities are served, the highest first. */
  rankOf(priority: number): number
  /** No mark and no segment is at this position or behind it. */
  nextPosition: number
  /** Its deletion is committed. */
  onDestroyed(): void
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

/** @param recovered the segments that a start found, in order, by priority */
export function createLog(context: LogContext, recovered: ReadonlyMap<number, Segment[]>): QueueLog {
  const byPriority: (Lane | undefined)[] = []
  /** The highest rank first. */
  let lanes: Lane[] = []
  let nextPosition = context.nextPosition
  let returnedCount = 0
  let destroyed = false
  /** Whether anything of it was ever given to a commit. */
  let hasRecords = recovered.size > 0
  const source: Source = { collect }
  /** What a start found and nobody has asked for: most of thousands of logs stay that way for long. */
  let unopened: ReadonlyMap<number, Segment[]> = recovered

  function open() {
    if (unopened.size === 0) return
    const found = unopened
    unopened = new Map()
    for (const [priority, segments] of found) addLane(priority, segments)
  }

  function addLane(priority: number, segments: Segment[]): Lane {
    const touch = (bytes?: number) => context.touch(source, bytes)
    const lane = createLane({ ...context, priority, touch, mark: context.markOf(priority) }, segments)
    byPriority[priority] = lane
    lanes = [...lanes, lane].sort((a, b) => context.rankOf(b.priority) - context.rankOf(a.priority))
    return lane
  }

  function laneOf(entry: Entry): Lane {
    return byPriority[(entry as StoredEntry).priority] as Lane
  }

  function append(message: Message, expiresAt: number, onSafe?: () => void): Entry {
    if (destroyed) throw new Error('The log was destroyed')
    checkNames(message)
    open()
    const lane = byPriority[message.priority] ?? addLane(message.priority, [])
    const failures = message.failures ?? 0
    const entry = new StoredEntry(lane.source, {
      position: nextPosition++,
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

  function head(): StoredEntry | undefined {
    open()
    if (lanes.length === 1) return lanes[0]?.first()
    return firstReturned() ?? firstLane()?.first()
  }

  function firstLane(): Lane | undefined {
    for (const lane of lanes) if (lane.ready > 0) return lane
    return undefined
  }

  function firstReturned(): StoredEntry | undefined {
    let first: StoredEntry | undefined
    for (const lane of lanes) {
      const entry = lane.firstReturned()
      if (entry && (first === undefined || entry.returned < first.returned)) first = entry
    }
    return first
  }

  function firstExpired(now: number): StoredEntry | undefined {
    const first = head()
    if (isOver(first, now) || context.returns !== 'fifo') return isOver(first, now) ? first : undefined
    for (const lane of lanes) {
      const entry = lane.firstWaiting()
      if (isOver(entry, now)) return entry
    }
    return undefined
  }

  function headExpiresAt(): number {
    let next = 0
    for (const segments of unopened.values()) next = earlier(next, segments[0]?.expiresFrom ?? 0)
    if (unopened.size > 0) return next
    if (context.returns !== 'fifo') return firstLane()?.headExpiresAt() ?? 0
    // Of what came back only the first is looked at.
    next = firstReturned()?.expiresAt ?? 0
    for (const lane of lanes) next = earlier(next, lane.waitingExpiresAt())
    return next
  }

  function take(entry = head()): Entry | undefined {
    if (entry) laneOf(entry).take(entry as StoredEntry)
    return entry
  }

  function purge(): number {
    open()
    const count = ready()
    for (const lane of lanes) lane.purge()
    return count
  }

  function destroy() {
    if (destroyed) return
    context.touch(source)
    purge()
    destroyed = true
  }

  function collect(batch: Batch) {
    if (!destroyed) {
      for (const lane of lanes) hasRecords = lane.collect(batch) || hasRecords
      return
    }
    for (const lane of lanes) lane.discard(batch)
    lanes = []
    if (hasRecords) batch.removeLog(context.queueId, context.onDestroyed)
    else batch.afterwards(context.onDestroyed)
  }

  function sum(of: (lane: Lane) => number, ofSegment: (segment: Segment) => number): number {
    let total = 0
    for (const lane of lanes) total += of(lane)
    for (const segments of unopened.values()) for (const segment of segments) total += ofSegment(segment)
    return total
  }

  function ready(): number {
    return sum(
      (lane) => lane.ready,
      (segment) => segment.live,
    )
  }

  return {
    get ready() {
      return ready()
    },
    get readyBytes() {
      return sum(
        (lane) => lane.readyBytes,
        (segment) => segment.liveBytes,
      )
    },
    append,
    peek: head,
    firstExpired,
    headExpiresAt,
    take,
    giveBack(entry) {
      if (destroyed) return
      ;(entry as StoredEntry).returned = ++returnedCount
      laneOf(entry).giveBack(entry as StoredEntry)
    },
    remove(entry) {
      if (!destroyed) laneOf(entry).remove(entry as StoredEntry)
    },
    purge,
    destroy,
  }
}
