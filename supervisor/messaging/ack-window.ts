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
  /** Takes the acks that are due. */
  take(): Acks
}

/**
 * Collects handled deliveries of one channel into as few acks as possible: the contiguous prefix in one ack. Those
 * beyond a delivery that is still being handled are acked singly rather than kept: they hold a place in the prefetch
 * window, and one slow message must not starve its neighbours.
 */
export function createAckWindow(): AckWindow {
  /** In the order of their tags, which is the order of delivery (AMQP 0-9-1, delivery-tag). */
  const outstanding = new Set<number>()
  let handled: number[] = []

  return {
    delivered(tag) {
      outstanding.add(tag)
    },
    handled(tag) {
      if (outstanding.delete(tag)) handled.push(tag)
    },
    returned(tag) {
      outstanding.delete(tag)
    },
    take() {
      const [firstOutstanding = Number.POSITIVE_INFINITY] = outstanding
      const prefix = handled.filter((tag) => tag < firstOutstanding)
      const single = handled.filter((tag) => tag > firstOutstanding)
      handled = []
      return { upTo: prefix.length > 0 ? Math.max(...prefix) : undefined, single }
    },
  }
}
