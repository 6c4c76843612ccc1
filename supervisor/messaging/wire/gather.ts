/** Puts together what is read in pieces. */
export interface Gatherer {
  /**
   * @param rest what is there of a message
   * @param next what has been read after it
   * @param whole octets of that message; 0 where that is not known
   * @returns both together, or as much as the message has; the rest of `next` is kept
   */
  join(rest: Buffer, next: Buffer, whole: number): Buffer
  /** What is kept; it is not kept any longer. */
  take(): Buffer | undefined
}

/**
 * A message is often larger than what a socket reads at a time. Each piece is copied once into a place of the message's
 * size; to join all that there is with every piece would copy half as much again, into places twice as large.
 */
export function createGatherer(): Gatherer {
  let kept: Buffer | undefined
  /** Where the message is put together; up to `filled` it is there. */
  let place = Buffer.alloc(0)
  let filled = 0
  return {
    join(rest, next, whole) {
      if (rest.length === 0) return next
      if (whole <= rest.length) return Buffer.concat([rest, next])
      const isThere = rest.buffer === place.buffer && rest.length === filled && place.length === whole
      if (!isThere) {
        place = Buffer.allocUnsafeSlow(whole)
        filled = rest.copy(place)
      }
      const copied = next.copy(place, filled)
      filled += copied
      if (copied < next.length) kept = next.subarray(copied)
      return place.subarray(0, filled)
    },
    take() {
      const taken = kept
      kept = undefined
      return taken
    },
  }
}
