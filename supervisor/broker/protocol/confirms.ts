import { encodeMethod } from '../../amqp/methods.ts'

/** Tells a publisher which messages are safe, many at once where it can (RabbitMQ, "Publisher Confirms"). */
export interface Confirms {
  /** The number of the next message. */
  next(): number
  settle(number: number, accepted: boolean): void
  /** Its channel is closed, and a client takes a frame on it as a fault of the connection: says nothing any more. */
  close(): void
}

/** @param beforeFlush runs an action at the end of the turn */
export function createConfirms(
  channel: number,
  write: (frame: Buffer) => void,
  beforeFlush: (action: () => void) => void,
): Confirms {
  let last = 0
  /** Everything below is settled and told. */
  let lowest = 1
  const accepted = new Set<number>()
  /** Told one by one, ahead of `lowest`. */
  const told = new Set<number>()
  let isScheduled = false
  let isClosed = false

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    beforeFlush(tell)
  }

  function tell(): void {
    isScheduled = false
    if (isClosed) return
    let count = 0
    let highest = 0
    for (; accepted.has(lowest) || told.has(lowest); lowest++) {
      if (accepted.delete(lowest)) {
        count++
        highest = lowest
      } else told.delete(lowest)
    }
    // `multiple` may cover numbers that were told before, refused ones too: a client has crossed them off.
    if (count > 0) write(encodeMethod(channel, { name: 'basic.ack', deliveryTag: highest, multiple: count > 1 }))
    for (const number of accepted) {
      write(encodeMethod(channel, { name: 'basic.ack', deliveryTag: number, multiple: false }))
      told.add(number)
    }
    accepted.clear()
  }

  return {
    next: () => ++last,
    settle(number, isAccepted) {
      if (isClosed) return
      if (isAccepted) {
        accepted.add(number)
        schedule()
      } else {
        write(encodeMethod(channel, { name: 'basic.nack', deliveryTag: number, multiple: false, requeue: false }))
        told.add(number)
      }
    },
    close() {
      isClosed = true
    },
  }
}
