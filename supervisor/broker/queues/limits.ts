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
  if (options.maxLength === undefined && options.maxLengthBytes === undefined) return undefined
  return new Limits(options, log, retained)
}

class Limits implements LengthLimits {
  readonly #options: QueueOptions
  readonly #log: QueueLog
  readonly #retained: Retained
  /** It was over its limit, and not yet below its soft limit since. */
  #isRefusing = false

  constructor(options: QueueOptions, log: QueueLog, retained: Retained) {
    this.#options = options
    this.#log = log
    this.#retained = retained
  }

  refuses({ body }: Message): boolean {
    const { type, overflow } = this.#options
    if (overflow === 'drop-head') return false
    if (type === 'classic') return this.#isOver(1, body.length)
    // A quorum queue notices only when it is over its limit.
    if (this.#isOver(this.#retained.messages, this.#retained.bytes)) this.#isRefusing = true
    else if (this.#isRefusing && this.#isBelow(SOFT_LIMIT)) this.#isRefusing = false
    return this.#isRefusing
  }

  takeExcess(atMost: number): Entry[] {
    const taken: Entry[] = []
    while (this.#options.overflow === 'drop-head' && taken.length < atMost && this.#isOver(0, 0)) {
      const entry = this.#log.take()
      if (!entry) break
      taken.push(entry)
    }
    return taken
  }

  #isOver(more: number, moreBytes: number): boolean {
    const { maxLength = Number.POSITIVE_INFINITY, maxLengthBytes = Number.POSITIVE_INFINITY } = this.#options
    return this.#log.ready + more > maxLength || this.#log.readyBytes + moreBytes > maxLengthBytes
  }

  #isBelow(share: number): boolean {
    const { maxLength = Number.POSITIVE_INFINITY, maxLengthBytes = Number.POSITIVE_INFINITY } = this.#options
    const messages = this.#log.ready + this.#retained.messages
    const bytes = this.#log.readyBytes + this.#retained.bytes
    return messages <= Math.trunc(maxLength * share) && bytes <= Math.trunc(maxLengthBytes * share)
  }
}
