import type { Entry, Message, QueueLog } from '../store/log.ts'
import type { QueueOptions } from './arguments.ts'

/** What a queue does when it is longer than `x-max-length` or `x-max-length-bytes` says. */
export interface LengthLimits {
  /** Whether a message has to be refused. */
  refuses(message: Message): boolean
  /** Takes from the head what is too much, in the order in which it is to be sent on. */
  takeExcess(): Entry[]
}

/** How full a quorum queue that refuses messages may be when it takes some again (RabbitMQ). */
const SOFT_LIMIT = 0.8

export function lengthLimits(options: QueueOptions, log: QueueLog): LengthLimits {
  const { type, overflow, maxLength = Number.POSITIVE_INFINITY, maxLengthBytes = Number.POSITIVE_INFINITY } = options
  /** It was over its limit, and not yet below its soft limit since. */
  let isRefusing = false

  function isOver(more: number, moreBytes: number): boolean {
    return log.ready + more > maxLength || log.readyBytes + moreBytes > maxLengthBytes
  }

  function isBelow(share: number): boolean {
    return log.ready <= Math.trunc(maxLength * share) && log.readyBytes <= Math.trunc(maxLengthBytes * share)
  }

  return {
    refuses({ body }) {
      if (overflow === 'drop-head') return false
      if (type === 'classic') return isOver(1, body.length)
      // A quorum queue notices only when it is over its limit.
      if (isOver(0, 0)) isRefusing = true
      else if (isRefusing && isBelow(SOFT_LIMIT)) isRefusing = false
      return isRefusing
    },

    takeExcess() {
      const taken: Entry[] = []
      while (overflow === 'drop-head' && isOver(0, 0)) {
        const entry = log.take()
        if (!entry) break
        taken.push(entry)
      }
      return taken
    },
  }
}
