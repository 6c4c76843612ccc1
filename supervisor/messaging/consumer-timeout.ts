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

/** What is wrong with a worker's `timeout` on this broker, in a sentence. */
export function timeoutProblem(worker: string, timeout: number, server: ServerProperties): string | undefined {
  const longest = longestTimeout(server)
  if (timeout <= longest) return undefined
  return (
    `Worker '${worker}' has a timeout of ${timeout} ms; ${server.product} ${server.version} takes a message back after ` +
    `30 minutes, so expected at most ${longest} ms. Make it shorter, or use RabbitMQ 3.12 or newer.`
  )
}
