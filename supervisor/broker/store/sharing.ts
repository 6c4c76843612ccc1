import { type Bodies, SHARED_BYTES } from './bodies.ts'
import type { Batch, Source } from './commit.ts'
import type { Message } from './entry.ts'
import { bodyKey, indexKey, type SegmentId, segmentKey } from './keys.ts'
import type { Segment } from './segment.ts'

/** What a store does with bodies that messages share, beside what its logs do. */
export interface Sharing {
  /** As logs use them: what can't be read is reported. */
  readonly bodies: Bodies
  /** As Store's. */
  share(message: Message): Message
  /** Removes segments that no log has. @param referring those of them whose references were counted */
  erase(segments: readonly SegmentId[], referring: readonly Segment[]): void
  /** Removes the records of bodies that nothing refers to. */
  eraseBodies(ids: readonly number[]): void
  /** Gives up the references of segments that are removed. */
  release(segments: readonly Segment[], batch: Batch): void
}

interface SharingOptions {
  bodies: Bodies
  touch(source: Source, bytes?: number): void
  onDamage(error: unknown): void
}

const NOTHING: Source = { collect() {} }

export function sharing({ bodies, touch, onDamage }: SharingOptions): Sharing {
  function release(segments: readonly Segment[], batch: Batch) {
    for (const { shared } of segments) for (const body of shared ?? []) if (body) bodies.release(body, batch)
  }

  return {
    bodies: {
      ...bodies,
      load(body) {
        try {
          return bodies.load(body)
        } catch (error) {
          onDamage(error)
          throw error
        }
      },
    },

    share(message) {
      if (message.shared || message.body.length < SHARED_BYTES) return message
      // Once for all the logs that it is for.
      touch(NOTHING, message.body.length)
      return { ...message, shared: bodies.share(message.body) }
    },

    erase(segments, referring) {
      if (segments.length === 0) return
      touch({
        collect(batch) {
          for (const segment of segments) {
            batch.remove(segmentKey(segment))
            batch.remove(indexKey(segment))
          }
          release(referring, batch)
        },
      })
    },

    eraseBodies(ids) {
      if (ids.length === 0) return
      touch({
        collect(batch) {
          for (const id of ids) batch.remove(bodyKey(id))
        },
      })
    },

    release,
  }
}
