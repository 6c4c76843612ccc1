import { crc32 } from 'node:zlib'
import type { Batch } from './commit.ts'
import type { SharedBody } from './entry.ts'
import { bodyKey } from './keys.ts'
import { SegmentFormatError } from './segment.ts'

// A message of some size that goes to several queues has its body in a record of its own, which their segments refer to.
// A reference is an entry in memory or in a segment. The record is written by the first commit that has a segment with a
// reference, and goes with the last reference: a start counts those that the index records list.

/** Bodies of this size and more are shared: below, a page of its own costs more than a few copies. */
export const SHARED_BYTES = 4_096

/** What a segment says of a body. */
export interface BodyPlace {
  id: number
  length: number
  crc: number
}

export interface Bodies {
  share(body: Buffer): SharedBody
  /** The body that an index record refers to: one object for each id. */
  find(id: number): SharedBody
  /** The same, from a segment. */
  at(place: BodyPlace): SharedBody
  /** The bytes. @throws {SegmentFormatError} if they are not there, or not what was written */
  load(body: SharedBody): Buffer
  isHeld(id: number): boolean
  hold(body: SharedBody): void
  release(body: SharedBody, batch: Batch): void
  /** Has the body's record written, if it is not. */
  store(body: SharedBody, bytes: () => Buffer, batch: Batch): void
}

/**
 * @param load reads a record
 * @param stored the ids of the records that there are
 */
export function createBodies(load: (key: Buffer) => Buffer | undefined, stored: Iterable<number>): Bodies {
  /** Those that something refers to; while a start reads, all that it has come upon. */
  const known = new Map<number, SharedBody>()
  let next = 1
  for (const id of stored) next = Math.max(next, id + 1)

  function bodyOf(id: number): SharedBody {
    next = Math.max(next, id + 1)
    // Whoever refers to it from the disk was written together with it.
    return known.get(id) ?? { id, length: -1, crc: -1, refs: 0, isStored: true, recent: undefined }
  }

  return {
    find(id) {
      const body = bodyOf(id)
      // One segment can refer to it several times before anything holds it: all of them count on the same.
      known.set(id, body)
      return body
    },

    at({ id, length, crc }) {
      const body = bodyOf(id)
      body.length = length
      body.crc = crc
      return body
    },

    share(body) {
      const crc = crc32(body)
      return { id: next++, length: body.length, crc, refs: 0, isStored: false, recent: new WeakRef(body) }
    },

    load(body) {
      const recent = body.recent?.deref()
      if (recent) return recent
      const bytes = load(bodyKey(body.id))
      if (!bytes) throw new SegmentFormatError(`the record of body ${body.id} is missing`)
      if (bytes.length !== body.length || crc32(bytes) !== body.crc) {
        throw new SegmentFormatError(`the record of body ${body.id} is not what was written`)
      }
      body.recent = new WeakRef(bytes)
      return bytes
    },

    isHeld: (id) => (known.get(id)?.refs ?? 0) > 0,

    hold(body) {
      if (body.refs++ === 0) known.set(body.id, body)
    },

    release(body, batch) {
      if (--body.refs > 0) return
      known.delete(body.id)
      if (body.isStored) batch.remove(bodyKey(body.id))
      body.isStored = false
    },

    store(body, bytes, batch) {
      if (body.isStored) return
      body.isStored = true
      batch.put(bodyKey(body.id), bytes())
    },
  }
}
