import type { Entry, Message, QueueLog } from '../store/log.ts'
import type { QueueOptions } from './arguments.ts'

/** What a queue does when it is longer than `x-max-length` or `x-max-length-bytes` says. */
export interface LengthLimits {
  /** Whether a message has to be refused. */
  refuses(message: Message): boolean
  /** Takes from the head what is too much, in the order in which it is to be sent on. */
  takeExcess(atMost: number): Entry[]
}

/** Dead letters that have to wait for their exchange, in memory. */
export interface Retained {
  messages: number
  /** Of their bodies. */
  bytes: number
}

/** A queue that retains so much sends on, and hands out, no more. */
const RETAINED_MESSAGES = 4_096
const RETAINED_BYTES = 8 * 2 ** 20

export function isStuck({ messages, bytes }: Retained): boolean {
  return messages >= RETAINED_MESSAGES || bytes >= RETAINED_BYTES
}

/** How full a quorum queue that refuses messages may be when it takes some again (RabbitMQ). */
const SOFT_LIMIT = 0.8

/**
 * Undefined for a queue that may have any length.
 * @param retained counts as well when messages are refused, as RabbitMQ does it
 */
export function lengthLimits(options: QueueOptions, log: QueueLog, retained: Retained): LengthLimits | undefined {
  const { type, overflow, maxLength = Number.POSITIVE_INFINITY, maxLengthBytes = Number.POSITIVE_INFINITY } = options
  if (options.maxLength === undefined && options.maxLengthBytes === undefined) return undefined
  /** It was over its limit, and not yet below its soft limit since. */
  let isRefusing = false

  function isOver(more: number, moreBytes: number): boolean {
    return log.ready + more > maxLength || log.readyBytes + moreBytes > maxLengthBytes
  }

  function isBelow(share: number): boolean {
    const [messages, bytes] = [log.ready + retained.messages, log.readyBytes + retained.bytes]
    return messages <= Math.trunc(maxLength * share) && bytes <= Math.trunc(maxLengthBytes * share)
  }

  return {
    refuses({ body }) {
      if (overflow === 'drop-head') return false
      if (type === 'classic') return isOver(1, body.length)
      // A quorum queue notices only when it is over its limit.
      if (isOver(retained.messages, retained.bytes)) isRefusing = true
      else if (isRefusing && isBelow(SOFT_LIMIT)) isRefusing = false
      return isRefusing
    },

    takeExcess(atMost) {
      const taken: Entry[] = []
      while (overflow === 'drop-head' && taken.length < atMost && isOver(0, 0)) {
        const entry = log.take()
        if (!entry) break
        taken.push(entry)
      }
      return taken
    },
  }
}
