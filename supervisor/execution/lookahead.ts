/** Milliseconds that a message may wait at hand: less than it takes to notice that another instance would have been free. */
const AT_HAND = 20
/**
 * Messages that an instance has at most for the sake of it: if it dies, all are delivered again. With fewer, an instance
 * that does next to nothing for each waits for the broker: 250 of them let through a sixth less than 500, and 1,000 hardly
 * more.
 */
const MOST = 500
/** Bytes of bodies that may wait at hand. */
const MOST_BYTES = 16 * 1024 * 1024
/** How many times more is a change. */
const MORE = 1.5
/** How many times less: what is at hand beyond need does no harm for a while, and going back and forth costs. */
const LESS = 5
/** Of so many handlers the time counts, and after so many it is looked at. */
const WINDOW = 32

/**
 * How many messages an instance should have at a time: those that it runs, and as many more as it handles while it would
 * wait for the next one. A broker takes about a millisecond from an acknowledgement to the next delivery, which is long
 * for a handler that takes one; a message that waits here while another instance has nothing to do must not wait long.
 * @param took milliseconds that a handler takes
 * @param bytes of a body
 */
export function prefetchFor(concurrency: number, took: number, bytes: number): number {
  const ahead = Math.floor(Math.min((concurrency * AT_HAND) / Math.max(took, 0.01), MOST_BYTES / Math.max(bytes, 1)))
  return Math.max(concurrency, Math.min(MOST, concurrency + ahead))
}

/**
 * Follows how long handlers take. @param onChange told what the prefetch should be, when that has changed much
 * @returns to be told of each handler's milliseconds, and of its message's bytes
 */
export function createLookahead(concurrency: number, onChange: (prefetch: number) => void) {
  let meanTook = 0
  let meanBytes = 0
  let count = 0
  let current = concurrency
  return function follow(took: number, bytes: number): void {
    count++
    const weight = 1 / Math.min(count, WINDOW)
    meanTook += (took - meanTook) * weight
    meanBytes += (bytes - meanBytes) * weight
    if (count % WINDOW > 0) return
    const wanted = prefetchFor(concurrency, meanTook, meanBytes)
    // A change costs a new consumer: small ones are not worth it.
    const [ahead, wantedAhead] = [current - concurrency, wanted - concurrency]
    if (wantedAhead > ahead * MORE || wantedAhead < ahead / LESS) {
      current = wanted
      onChange(wanted)
    }
  }
}
