import { segmentKey } from './keys.ts'
import type { Segment } from './segment.ts'
import { checkRecord } from './segment-read.ts'

/** Segments' records, the last few of which stay at hand: who reads single messages reads neighbours. */
export interface RecordCache {
  /** A segment's record. @throws {SegmentFormatError} if it is not what was written */
  get(segment: Segment): Buffer
}

const SIZE = 4
/** A larger record has a single message, or few. */
const MAX_BYTES = 65_536

/** @param load reads from the database */
export function recordCache(load: (key: Buffer) => Buffer | undefined): RecordCache {
  const recent: { segment: Segment; raw: Buffer }[] = []

  return {
    get(segment) {
      if (segment.raw) return segment.raw
      const known = recent.find((other) => other.segment === segment)
      if (known) return known.raw
      const raw = checkRecord(segment, load(segmentKey(segment)))
      if (raw.length > MAX_BYTES) return raw
      if (recent.length === SIZE) recent.shift()
      recent.push({ segment, raw })
      return raw
    },
  }
}
