import { type FieldValue, type Table, textOf } from '../../amqp/fields.ts'
import { textLength } from '../../amqp/text.ts'
import { type AmqpError, precondition, VHOST } from '../errors.ts'
import { typeName } from '../routing/values.ts'

type QueueType = 'classic' | 'quorum'

/** What is wrong with a value, in RabbitMQ's words, or nothing. */
type Check = (value: FieldValue, args: Table) => string | undefined

/** A hundred years, in milliseconds: RabbitMQ's upper limit for times. */
export const MAX_EXPIRES = 3_153_600_000_000

/** Bytes of a routing key: it is a short string. */
const MAX_KEY = 255

const LOCATORS = ['client-local', 'balanced', 'random', 'least-leaders', 'min-masters']

/** In the order in which RabbitMQ looks at them, which decides what it says of several mistakes. */
const QUEUE_CHECKS: [argument: string, check: Check][] = [
  ['x-expires', integer({ positive: true, max: MAX_EXPIRES })],
  ['x-message-ttl', integer({ max: MAX_EXPIRES })],
  ['x-dead-letter-routing-key', routingKey],
  ['x-dead-letter-strategy', oneOf('invalid_dlx_strategy', 'at-most-once', 'at-least-once')],
  ['x-max-length', integer({})],
  ['x-max-length-bytes', integer({})],
  ['x-max-in-memory-length', integer({})],
  ['x-max-in-memory-bytes', integer({})],
  ['x-max-priority', priority],
  ['x-overflow', oneOf('invalid_overflow', 'drop-head', 'reject-publish', 'reject-publish-dlx')],
  ['x-queue-version', version],
  ['x-single-active-consumer', (value) => (typeof value === 'boolean' ? undefined : unacceptable(value))],
  ['x-consumer-timeout', integer({})],
  ['x-consumer-disconnected-timeout', integer({})],
  ['x-quorum-initial-group-size', integer({ positive: true })],
  ['x-queue-leader-locator', oneOf('invalid_queue_locator_arg', ...LOCATORS)],
]

const CONSUMER_CHECKS: [argument: string, check: Check][] = [
  ['x-priority', (value) => (typeof value === 'number' && Number.isInteger(value) ? undefined : noInteger(value))],
  ['x-consumer-timeout', integer({})],
]

const STREAM_ARGUMENTS = [
  'x-max-age',
  'x-stream-max-segment-size-bytes',
  'x-stream-filter-size-bytes',
  'x-initial-cluster-size',
]

/** What the types have no notion of, and refuse. */
const UNSUPPORTED_BY_QUEUES: Record<QueueType, readonly string[]> = {
  quorum: [...STREAM_ARGUMENTS, 'x-queue-mode', 'x-max-priority', 'x-queue-version', 'x-queue-master-locator'],
  classic: [
    ...STREAM_ARGUMENTS,
    'x-dead-letter-strategy',
    'x-delivery-limit',
    'x-quorum-initial-group-size',
    'x-max-in-memory-length',
    'x-max-in-memory-bytes',
    'x-consumer-timeout',
    'x-consumer-disconnected-timeout',
    'x-delayed-retry-type',
    'x-delayed-retry-min',
    'x-delayed-retry-max',
  ],
}

const STREAM_CONSUMER_ARGUMENTS = ['x-stream-offset', 'x-stream-filter', 'x-stream-match-unfiltered']

const UNSUPPORTED_BY_CONSUMERS: Record<QueueType, readonly string[]> = {
  quorum: STREAM_CONSUMER_ARGUMENTS,
  classic: [...STREAM_CONSUMER_ARGUMENTS, 'x-consumer-timeout'],
}

/** @throws AmqpError 406 if there is no such type; what is empty or 'undefined' asks for none */
export function checkQueueType(name: string, args: Table): void {
  const type = args['x-queue-type']
  if (type === undefined || type === '' || type === 'undefined') return
  const problem = oneOf(`"unsupported queue type '${String(type)}'"`, 'classic', 'quorum')(type, args)
  if (problem !== undefined) throw invalid('x-queue-type', name, problem)
}

/** @throws AmqpError 406 as RabbitMQ 4.3 gives it, for what is invalid or not to be had with the type */
export function checkQueueArguments(name: string, type: QueueType, args: Table): void {
  // Where no type is given RabbitMQ adds one, which sorts the table: that decides which of several it names.
  const seen = args['x-queue-type'] === undefined ? sorted(args) : args
  check(name, type, seen, { checks: QUEUE_CHECKS, unsupported: UNSUPPORTED_BY_QUEUES[type] })
}

/** @throws AmqpError 406 as RabbitMQ 4.3 gives it, for what is invalid or not to be had with the queue's type */
export function checkConsumerArguments(queueName: string, type: QueueType, args: Table): void {
  check(queueName, type, args, { checks: CONSUMER_CHECKS, unsupported: UNSUPPORTED_BY_CONSUMERS[type] })
}

function sorted(args: Table): Table {
  return Object.fromEntries(Object.entries(args).sort(([a], [b]) => (a < b ? -1 : 1)))
}

interface Rules {
  readonly checks: readonly [argument: string, check: Check][]
  readonly unsupported: readonly string[]
}

function check(name: string, type: QueueType, args: Table, { checks, unsupported }: Rules): void {
  for (const [argument, check] of checks) {
    const value = unsupported.includes(argument) ? undefined : args[argument]
    const problem = value === undefined ? undefined : check(value, args)
    if (problem !== undefined) throw invalid(argument, name, problem)
  }
  const refused = Object.keys(args).find((argument) => unsupported.includes(argument))
  if (refused === undefined) return
  throw precondition(
    `invalid arg '${refused}' for queue '${name}' in vhost '${VHOST}' of queue type rabbit_${type}_queue`,
  )
}

function invalid(argument: string, name: string, problem: string): AmqpError {
  return precondition(`invalid arg '${argument}' for queue '${name}' in vhost '${VHOST}': ${problem}`)
}

function integer({ positive = false, max = Number.POSITIVE_INFINITY }): Check {
  return (value) => {
    if (typeof value === 'bigint') return `{value_too_large,${value}}`
    if (typeof value !== 'number' || !Number.isInteger(value)) return noInteger(value)
    if (value < 0) return `{value_negative,${value}}`
    if (positive && value === 0) return `{value_zero,${value}}`
    return value > max ? `{value_too_large,${value}}` : undefined
  }
}

function priority(value: FieldValue): string | undefined {
  return integer({})(value, {}) ?? ((value as number) > 255 ? `{max_value_exceeded,${value}}` : undefined)
}

/** Version 1 of classic queues is gone since 4.3. */
function version(value: FieldValue): string | undefined {
  return integer({})(value, {}) ?? (value === 2 ? undefined : `"unsupported queue version '${value}'"`)
}

function oneOf(unknown: string, ...values: string[]): Check {
  return (value) => {
    if (typeof value !== 'string') return unacceptable(value)
    return values.includes(value) ? undefined : unknown
  }
}

function routingKey(value: FieldValue, args: Table): string | undefined {
  const key = textOf(value)
  if (key === undefined) return unacceptable(value)
  // RabbitMQ takes it, and then ends the connections of those who consume the dead letters.
  if (textLength(key) > MAX_KEY) return `"expected at most ${MAX_KEY} bytes, got ${textLength(key)}"`
  return args['x-dead-letter-exchange'] === undefined ? 'routing_key_but_no_dlx_defined' : undefined
}

function noInteger(value: FieldValue): string {
  return `"expected integer, got ${typeName(value)}"`
}

function unacceptable(value: FieldValue): string {
  return `{unacceptable_type,${typeName(value)}}`
}
