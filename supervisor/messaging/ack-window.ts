/** What to tell the broker: everything up to one delivery tag at once, and some beyond it one by one. */
export interface Acks {
  upTo: number | undefined
  single: number[]
}

export interface AckWindow {
  delivered(tag: number): void
  /** A delivery that has been handled and waits to be acked. */
  handled(tag: number): void
  /** A delivery that was given back by other means. */
  returned(tag: number): void
  /** How many are neither handled nor returned. */
  readonly outstanding: number
  /** How many handled deliveries wait to be acked. */
  readonly due: number
  /** Takes the acks that are due. */
  take(): Acks
}

/**
 * Collects handled deliveries of one channel into as few acks as possible: the contiguous prefix in one ack. Those
 * beyond a delivery that is still being handled are acked singly rather than kept: they hold a place in the prefetch
 * window, and one slow message must not starve its neighbours.
 */
export function createAckWindow(): AckWindow {
  /** Tags are given in the order of delivery, one after the other (AMQP 0-9-1, delivery-tag). */
  let last = 0
  /** The lowest one that is neither handled nor returned. */
  let next = 1
  /** Those beyond it that are. */
  const finished = new Set<number>()
  let handled: number[] = []

  function finish(tag: number): boolean {
    if (tag < next || tag > last || finished.has(tag)) return false
    if (tag > next) finished.add(tag)
    else next++
    while (finished.size > 0 && finished.delete(next)) next++
    return true
  }

  return {
    delivered(tag) {
      last = tag
    },
    handled(tag) {
      if (finish(tag)) handled.push(tag)
    },
    returned(tag) {
      finish(tag)
    },
    get outstanding() {
      return last - next + 1 - finished.size
    },
    get due() {
      return handled.length
    },
    take() {
      let upTo: number | undefined
      const single: number[] = []
      for (const tag of handled) {
        if (tag > next) single.push(tag)
        else if (upTo === undefined || tag > upTo) upTo = tag
      }
      handled = []
      return { upTo, single }
    },
  }
}
