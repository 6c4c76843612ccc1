import type { Deque } from './deque.ts'
import type { StoredEntry } from './entry.ts'
import { isWaiting, type MessagePlace, markWaiting, placeNow, type Segment } from './segment.ts'

/** Notes where an entry's message is now: it may have been moved since it was written. */
export function follow(entry: StoredEntry): void {
  if (!entry.segment?.moved) return
  const { segment, index } = placeNow(entry.segment, entry.index)
  entry.segment = segment
  entry.index = index
}

/** What moving takes of the lane. */
interface Moving {
  /** What is to be moved of a segment, in the order of positions; undefined if it can't be read, which is reported. */
  read(segment: Segment): StoredEntry[] | undefined
  /** Writes new segments in the place of others, which are neighbours and have these entries left. */
  exchange(old: readonly Segment[], entries: readonly StoredEntry[]): Segment[]
}

// A publisher that waits for every confirm leaves segments of one message; so many of less than so much become one.
const MERGE_COUNT = 8
const MERGE_BYTES = 8_192

/** Makes one of small segments at the end of a list, all of whose messages are on disk alone. */
export function mergeLast(segments: Deque<Segment>, { read, exchange }: Moving): void {
  while (segments.length >= MERGE_COUNT) {
    const small = segments.last(MERGE_COUNT)
    if (small.some(({ size, waiting }) => size >= MERGE_BYTES || waiting)) return
    const entries = readAll(small, read)
    if (!entries) return
    segments.drop(MERGE_COUNT)
    for (const segment of exchange(small, entries)) segments.push(segment)
  }
}

/**
 * Writes what is left in neighbours into new segments, and notes there and here where everything is.
 * @param waiting those of the lane's segments with messages that are on disk alone, in the order of their positions
 */
export function moveTogether(group: readonly Segment[], waiting: Deque<Segment>, { read, exchange }: Moving): void {
  const entries = readAll(group, read)
  if (!entries) return
  const from: MessagePlace[] = entries.map(({ segment, index }) => ({ segment: segment as Segment, index }))
  const written = exchange(group, entries)
  for (const [number, { segment, index }] of from.entries()) {
    const entry = entries[number] as StoredEntry
    segment.moved ??= new Map()
    segment.moved.set(index, { segment: entry.segment as Segment, index: entry.index })
  }
  keepWaiting(group, written, from, entries, waiting)
}

function readAll(segments: readonly Segment[], read: Moving['read']): StoredEntry[] | undefined {
  const all: StoredEntry[] = []
  for (const segment of segments) {
    const entries = read(segment)
    if (!entries) return undefined
    all.push(...entries)
  }
  return all
}

/** What has waited on disk alone does so in the new segments, and nothing else of them does. */
function keepWaiting(
  group: readonly Segment[],
  written: readonly Segment[],
  from: readonly MessagePlace[],
  entries: readonly StoredEntry[],
  waiting: Deque<Segment>,
) {
  const old = new Set(group.filter((segment) => placeIn(waiting, segment) >= 0))
  const [first] = old
  if (!first) return
  const at = placeIn(waiting, first)
  const isAll = old.size === group.length && group.every((segment) => segment.waiting === null)
  const fresh = new Set<Segment>()
  for (const [number, { segment, index }] of from.entries()) {
    if (!old.has(segment) || !isWaiting(segment, index)) continue
    const entry = entries[number] as StoredEntry
    if (!isAll) markWaiting(entry.segment as Segment, entry.index)
    fresh.add(entry.segment as Segment)
  }
  waiting.splice(
    at,
    old.size,
    written.filter((segment) => fresh.has(segment)),
  )
}

/** Where a segment is in a list that is in the order of positions; -1 if it is not there. */
function placeIn(list: Deque<Segment>, segment: Segment): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list.at(middle) as Segment).first < segment.first) low = middle + 1
    else high = middle
  }
  return list.at(low) === segment ? low : -1
}
