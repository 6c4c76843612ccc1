import { MAX_TIMER_MS } from '../base/durations.ts'

/**
 * RabbitMQ closes a channel that holds a message unacknowledged for longer than 30 minutes, unless its queue says
 * otherwise (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout). Ours say so: a handler's time is its
 * worker's `timeout`, which ends its attempt, and so settles its message, whatever the handler does.
 */
export const CONSUMER_TIMEOUT_ARGUMENT = { 'x-consumer-timeout': MAX_TIMER_MS }

/** Milliseconds: RabbitMQ's default, less what its check and the settlement may take. */
const DEFAULT_LIMIT = 29 * 60_000

/** What a broker says of itself at the handshake. */
export interface ServerProperties {
  readonly product?: unknown
  readonly version?: unknown
}

/** The longest `timeout` of a worker that this broker bears, in milliseconds. */
export function longestTimeout({ product, version }: ServerProperties): number {
  const [major = 0, minor = 0] = String(version).split('.').map(Number)
  // The argument is older RabbitMQs' to ignore: it came with 3.12.
  const ignoresArgument = product === 'RabbitMQ' && (major < 3 || (major === 3 && minor < 12))
  return ignoresArgument ? DEFAULT_LIMIT : MAX_TIMER_MS
}
