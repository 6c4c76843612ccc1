import { type FieldValue, type Table, textOf } from '../../amqp/fields.ts'
import { textLength } from '../../amqp/text.ts'
import { type AmqpError, precondition, VHOST } from '../errors.ts'
import { typeName } from '../routing/values.ts'

/** What a queue's arguments ask for (RabbitMQ's documentation, "Optional Queue Arguments"). */
export interface QueueOptions {
  readonly type: 'classic' | 'quorum'
  /** Milliseconds that a message may stay. */
  readonly messageTtl: number | undefined
  /** Milliseconds that the queue may stay unused. */
  readonly expires: number | undefined
  /** Ready messages. */
  readonly maxLength: number | undefined
  /** Bytes of the bodies of ready messages. */
  readonly maxLengthBytes: number | undefined
  readonly overflow: 'drop-head' | 'reject-publish' | 'reject-publish-dlx'
  readonly deadLetterExchange: string | undefined
  readonly deadLetterRoutingKey: string | undefined
  readonly deadLetterStrategy: 'at-most-once' | 'at-least-once'
  /** Deliveries that may fail before the message is dead-lettered or dropped; quorum only. */
  readonly deliveryLimit: number | undefined
  readonly singleActiveConsumer: boolean
  /** Highest priority that is told apart; classic only. */
  readonly maxPriority: number
}

/** RabbitMQ 4's, where a quorum queue is declared without `x-delivery-limit`. */
const DEFAULT_DELIVERY_LIMIT = 20

/** A hundred years, in milliseconds: RabbitMQ's upper limit for times. */
export const MAX_EXPIRES = 3_153_600_000_000

/** Bytes of a routing key: it is a short string. */
const MAX_KEY = 255

/** What is wrong with a value, in RabbitMQ's words, or nothing. */
type Check = (value: FieldValue, args: Table) => string | undefined

/** In the order in which RabbitMQ looks at them, which decides what it says of several mistakes. */
const CHECKS: [argument: string, check: Check][] = [
  ['x-expires', integer({ positive: true, max: MAX_EXPIRES })],
  ['x-message-ttl', integer({ max: MAX_EXPIRES })],
  ['x-dead-letter-routing-key', routingKey],
  ['x-dead-letter-strategy', oneOf(() => 'invalid_dlx_strategy', 'at-most-once', 'at-least-once')],
  ['x-max-length', integer({})],
  ['x-max-length-bytes', integer({})],
  ['x-max-priority', priority],
  ['x-overflow', oneOf(() => 'invalid_overflow', 'drop-head', 'reject-publish', 'reject-publish-dlx')],
  ['x-queue-mode', oneOf((mode) => `"unsupported queue mode '${mode}'"`, 'default', 'lazy')],
  ['x-single-active-consumer', (value) => (typeof value === 'boolean' ? undefined : unacceptable(value))],
  ['x-quorum-initial-group-size', integer({ positive: true })],
]

const checkType = oneOf((type) => `"unsupported queue type '${type}'"`, 'classic', 'quorum')

/** What the types have no notion of, and refuse. */
const UNSUPPORTED = {
  quorum: ['x-queue-mode', 'x-max-priority', 'x-queue-version', 'x-max-age'],
  classic: ['x-dead-letter-strategy', 'x-delivery-limit', 'x-quorum-initial-group-size', 'x-max-age'],
}

export interface QueueFlags {
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
}

/**
 * The type that the arguments ask for: classic, unless they say another.
 * @throws AmqpError 406 if there is no such type
 */
function queueType(name: string, args: Table): QueueOptions['type'] {
  const type = args['x-queue-type'] ?? 'classic'
  const problem = checkType(type, args)
  if (problem) throw invalid('x-queue-type', name, problem)
  return type as QueueOptions['type']
}

/**
 * Reads the arguments of a queue's declaration.
 * @throws AmqpError 406 as RabbitMQ 4 gives it, for what is invalid or not to be had with the type
 */
export function parseQueueArguments(name: string, flags: QueueFlags, args: Table): QueueOptions {
  const exchange = args['x-dead-letter-exchange']
  if (exchange !== undefined && textOf(exchange) === undefined) {
    const found = typeName(exchange)
    throw precondition(
      `invalid type '${found}' for arg 'x-dead-letter-exchange' in queue '${name}' in vhost '${VHOST}'`,
    )
  }
  const type = queueType(name, args)
  for (const [argument, check] of CHECKS) {
    const value = UNSUPPORTED[type].includes(argument) ? undefined : args[argument]
    const problem = value === undefined ? undefined : check(value, args)
    if (problem !== undefined) throw invalid(argument, name, problem)
  }
  const unsupported = UNSUPPORTED[type].find((argument) => argument in args)
  if (unsupported) {
    throw precondition(
      `invalid arg '${unsupported}' for queue '${name}' in vhost '${VHOST}' of queue type rabbit_${type}_queue`,
    )
  }
  if (type === 'quorum') refuseFlags(name, flags)
  return queueOptions(args)
}

/** What arguments ask for that were checked when the queue was declared, perhaps by an older version with other checks. */
export function queueOptions(args: Table): QueueOptions {
  const type = args['x-queue-type'] === 'quorum' ? 'quorum' : 'classic'
  const number = (argument: string) => (typeof args[argument] === 'number' ? (args[argument] as number) : undefined)
  const text = (argument: string) => textOf(args[argument])
  const overflow = (text('x-overflow') ?? 'drop-head') as QueueOptions['overflow']
  const limit = number('x-delivery-limit') ?? DEFAULT_DELIVERY_LIMIT
  const atLeastOnce = text('x-dead-letter-strategy') === 'at-least-once'
  return {
    type,
    messageTtl: number('x-message-ttl'),
    expires: number('x-expires'),
    maxLength: number('x-max-length'),
    maxLengthBytes: number('x-max-length-bytes'),
    // Quorum queues take this one and do not know it: they drop the head then.
    overflow: type === 'quorum' && overflow === 'reject-publish-dlx' ? 'drop-head' : overflow,
    deadLetterExchange: text('x-dead-letter-exchange'),
    deadLetterRoutingKey: text('x-dead-letter-routing-key'),
    // It needs a source that refuses instead of dropping (RabbitMQ, "At-Least-Once Dead Lettering").
    deadLetterStrategy: atLeastOnce && overflow === 'reject-publish' ? 'at-least-once' : 'at-most-once',
    deliveryLimit: type === 'classic' || limit < 0 ? undefined : limit,
    singleActiveConsumer: args['x-single-active-consumer'] === true,
    maxPriority: number('x-max-priority') ?? 0,
  }
}

function refuseFlags(name: string, { durable, exclusive, autoDelete }: QueueFlags): void {
  if (name === '') throw precondition('Cannot declare a server-named queue for type rabbit_quorum_queue')
  const property = exclusive ? 'exclusive-owner' : autoDelete ? 'auto-delete' : durable ? undefined : 'non-durable'
  if (property) throw precondition(`invalid property '${property}' for queue '${name}' in vhost '${VHOST}'`)
}

function invalid(argument: string, name: string, problem: string): AmqpError {
  return precondition(`invalid arg '${argument}' for queue '${name}' in vhost '${VHOST}': ${problem}`)
}

function integer({ positive = false, max = Number.POSITIVE_INFINITY }): Check {
  return (value) => {
    if (typeof value === 'bigint') return `{value_too_large,${value}}`
    if (typeof value !== 'number' || !Number.isInteger(value)) return `"expected integer, got ${typeName(value)}"`
    if (value < 0) return `{value_negative,${value}}`
    if (positive && value === 0) return `{value_zero,${value}}`
    return value > max ? `{value_too_large,${value}}` : undefined
  }
}

function priority(value: FieldValue): string | undefined {
  return integer({})(value, {}) ?? ((value as number) > 255 ? `{max_value_exceeded,${value}}` : undefined)
}

function oneOf(unknown: (value: string) => string, ...values: string[]): Check {
  return (value) => {
    if (typeof value !== 'string') return unacceptable(value)
    return values.includes(value) ? undefined : unknown(value)
  }
}

function routingKey(value: FieldValue, args: Table): string | undefined {
  const key = textOf(value)
  if (key === undefined) return unacceptable(value)
  // RabbitMQ takes it, and then ends the connections of those who consume the dead letters.
  if (textLength(key) > MAX_KEY) return `"expected at most ${MAX_KEY} bytes, got ${textLength(key)}"`
  return args['x-dead-letter-exchange'] === undefined ? 'routing_key_but_no_dlx_defined' : undefined
}

function unacceptable(value: FieldValue): string {
  return `{unacceptable_type,${typeName(value)}}`
}
