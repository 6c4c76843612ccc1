import { type Table, textOf } from '../../amqp/fields.ts'
import { precondition, VHOST } from '../errors.ts'
import { typeName } from '../routing/values.ts'
import { checkQueueArguments, checkQueueType } from './argument-checks.ts'

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

export interface QueueFlags {
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
}

/**
 * Reads the arguments of a queue's declaration.
 * @throws AmqpError 406 as RabbitMQ 4.3 gives it, for what is invalid or not to be had with the type
 */
export function parseQueueArguments(name: string, flags: QueueFlags, args: Table): QueueOptions {
  const exchange = args['x-dead-letter-exchange']
  if (exchange !== undefined && textOf(exchange) === undefined) {
    const found = typeName(exchange)
    throw precondition(
      `invalid type '${found}' for arg 'x-dead-letter-exchange' in queue '${name}' in vhost '${VHOST}'`,
    )
  }
  checkQueueType(name, args)
  const type = queueType(args)
  checkQueueArguments(name, type, args)
  if (type === 'quorum') refuseFlags(name, flags)
  return queueOptions(args)
}

/** What arguments ask for that were checked when the queue was declared, perhaps by an older version with other checks. */
export function queueOptions(args: Table): QueueOptions {
  const type = queueType(args)
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

/** Classic, unless another is asked for. */
export function queueType(args: Table): QueueOptions['type'] {
  return args['x-queue-type'] === 'quorum' ? 'quorum' : 'classic'
}

function refuseFlags(name: string, { durable, exclusive, autoDelete }: QueueFlags): void {
  if (name === '') throw precondition('Cannot declare a server-named queue for type rabbit_quorum_queue')
  const property = exclusive ? 'exclusive-owner' : autoDelete ? 'auto-delete' : durable ? undefined : 'non-durable'
  if (property) throw precondition(`invalid property '${property}' for queue '${name}' in vhost '${VHOST}'`)
}
