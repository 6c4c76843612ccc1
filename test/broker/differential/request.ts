import type { Fields } from './amqplib-codec.ts'
import { name } from './names.ts'
import type { Step } from './step.ts'

/** A method that the broker answers, with its fields; undefined for a step that is done in another way. */
export function requestOf(prefix: string, step: Step): [method: string, fields: Fields] | undefined {
  const queue = 'queue' in step ? name(prefix, step.queue) : ''
  const exchange = 'exchange' in step ? name(prefix, step.exchange) : ''
  const routingKey = 'key' in step ? name(prefix, step.key) : ''

  switch (step.op) {
    case 'queue': {
      const { durable, exclusive, autoDelete } = step
      return ['QueueDeclare', { queue, durable, exclusive, autoDelete, arguments: named(prefix, step.args) }]
    }
    case 'exchange': {
      const { type, durable, autoDelete, internal } = step
      return ['ExchangeDeclare', { exchange, type, durable, autoDelete, internal, arguments: named(prefix, step.args) }]
    }
    case 'bind':
      return ['QueueBind', { queue, exchange, routingKey, arguments: step.args }]
    case 'unbind':
      return ['QueueUnbind', { queue, exchange, routingKey, arguments: step.args }]
    case 'bindExchange':
    case 'unbindExchange': {
      const ends = { source: name(prefix, step.source), destination: name(prefix, step.destination), routingKey }
      return [step.op === 'bindExchange' ? 'ExchangeBind' : 'ExchangeUnbind', ends]
    }
    case 'deleteQueue':
      return ['QueueDelete', { queue, ifUnused: step.ifUnused, ifEmpty: step.ifEmpty }]
    case 'deleteExchange':
      return ['ExchangeDelete', { exchange, ifUnused: step.ifUnused }]
    case 'purge':
      return ['QueuePurge', { queue }]
    case 'check':
      return ['QueueDeclare', { queue, passive: true }]
    case 'get':
      return ['BasicGet', { queue, noAck: step.noAck }]
    case 'qos':
      return ['BasicQos', { prefetchCount: step.count }]
    case 'consume': {
      const { tag, noAck, exclusive, args } = step
      return ['BasicConsume', { queue, consumerTag: tag, noAck, exclusive, arguments: args }]
    }
    case 'cancel':
      return ['BasicCancel', { consumerTag: step.tag }]
    case 'recover':
      return ['BasicRecover', { requeue: true }]
    case 'confirm':
      return ['ConfirmSelect', {}]
    case 'closeChannel':
      return ['ChannelClose', GOODBYE]
    default:
      return undefined
  }
}

/** The fields of a close in good order. */
export const GOODBYE: Fields = { replyCode: 200, replyText: '', classId: 0, methodId: 0 }

/** The fields and properties of a message to publish. */
export function messageOf(prefix: string, step: Step & { op: 'publish' }): [fields: Fields, properties: Fields] {
  const { headers, ...properties } = step.properties as { headers?: Fields }
  const copies = Object.entries(headers ?? {}).map(([key, value]) =>
    Array.isArray(value) ? [key, value.map((address) => name(prefix, address))] : [key, value],
  )
  return [
    { exchange: name(prefix, step.exchange), routingKey: name(prefix, step.key), mandatory: step.mandatory },
    headers ? { ...properties, headers: Object.fromEntries(copies) } : properties,
  ]
}

const ADDRESSES = ['x-dead-letter-exchange', 'x-dead-letter-routing-key', 'alternate-exchange']

function named(prefix: string, args: Fields): Fields {
  const entries = Object.entries(args).map(([key, value]) =>
    ADDRESSES.includes(key) && typeof value === 'string' ? [key, name(prefix, value)] : [key, value],
  )
  return Object.fromEntries(entries)
}
