/** What an argument of a method is on the wire (AMQP 0-9-1, 4.2.5). `replytext` is a short string that is cut to fit. */
export type Domain = 'bit' | 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'replytext' | 'longstr' | 'table'

/** A reserved argument: in the bytes, as its zero, but not in the objects. */
const reserved = <D extends Domain>(domain: D) => ['', domain] as const

const ticket = reserved('short')
const noWait = ['noWait', 'bit'] as const
const queue = ['queue', 'shortstr'] as const
const exchange = ['exchange', 'shortstr'] as const
const routingKey = ['routingKey', 'shortstr'] as const
const args = ['arguments', 'table'] as const
const noAck = ['noAck', 'bit'] as const
const consumerTag = ['consumerTag', 'shortstr'] as const
const deliveryTag = ['deliveryTag', 'longlong'] as const
const redelivered = ['redelivered', 'bit'] as const
const multiple = ['multiple', 'bit'] as const
const requeue = ['requeue', 'bit'] as const
const durable = ['durable', 'bit'] as const
const passive = ['passive', 'bit'] as const
const exclusive = ['exclusive', 'bit'] as const
const autoDelete = ['autoDelete', 'bit'] as const
const ifUnused = ['ifUnused', 'bit'] as const
const messageCount = ['messageCount', 'long'] as const
const active = ['active', 'bit'] as const
const tuning = [
  ['channelMax', 'short'],
  ['frameMax', 'long'],
  ['heartbeat', 'short'],
] as const
const replyCode = ['replyCode', 'short'] as const
const replyText = ['replyText', 'replytext'] as const
const closing = [replyCode, replyText, ['classId', 'short'], ['methodId', 'short']] as const
const exchangeBinding = [ticket, ['destination', 'shortstr'], ['source', 'shortstr'], routingKey, noWait, args] as const

/**
 * Every method as `[class id, method id, arguments in wire order]`: AMQP 0-9-1, chapter 1, and RabbitMQ's extensions
 * (https://www.rabbitmq.com/docs/extensions). Neighbouring bits share octets.
 */
export const SPEC = {
  'connection.start': [
    10,
    10,
    [
      ['versionMajor', 'octet'],
      ['versionMinor', 'octet'],
      ['serverProperties', 'table'],
      ['mechanisms', 'longstr'],
      ['locales', 'longstr'],
    ],
  ],
  'connection.start-ok': [
    10,
    11,
    [
      ['clientProperties', 'table'],
      ['mechanism', 'shortstr'],
      ['response', 'longstr'],
      ['locale', 'shortstr'],
    ],
  ],
  'connection.secure': [10, 20, [['challenge', 'longstr']]],
  'connection.secure-ok': [10, 21, [['response', 'longstr']]],
  'connection.tune': [10, 30, tuning],
  'connection.tune-ok': [10, 31, tuning],
  'connection.open': [10, 40, [['virtualHost', 'shortstr'], reserved('shortstr'), reserved('bit')]],
  'connection.open-ok': [10, 41, [reserved('shortstr')]],
  'connection.close': [10, 50, closing],
  'connection.close-ok': [10, 51, []],
  'connection.blocked': [10, 60, [['reason', 'replytext']]],
  'connection.unblocked': [10, 61, []],
  'connection.update-secret': [
    10,
    70,
    [
      ['newSecret', 'longstr'],
      ['reason', 'shortstr'],
    ],
  ],
  'connection.update-secret-ok': [10, 71, []],

  'channel.open': [20, 10, [reserved('shortstr')]],
  'channel.open-ok': [20, 11, [reserved('longstr')]],
  'channel.flow': [20, 20, [active]],
  'channel.flow-ok': [20, 21, [active]],
  'channel.close': [20, 40, closing],
  'channel.close-ok': [20, 41, []],

  // AMQP 0-8's, which old clients still send; RabbitMQ 3 answers with ticket 1.
  'access.request': [30, 10, [['realm', 'shortstr'], exclusive, passive, active, ['write', 'bit'], ['read', 'bit']]],
  'access.request-ok': [30, 11, [['ticket', 'short']]],

  'exchange.declare': [
    40,
    10,
    [ticket, exchange, ['type', 'shortstr'], passive, durable, autoDelete, ['internal', 'bit'], noWait, args],
  ],
  'exchange.declare-ok': [40, 11, []],
  'exchange.delete': [40, 20, [ticket, exchange, ifUnused, noWait]],
  'exchange.delete-ok': [40, 21, []],
  'exchange.bind': [40, 30, exchangeBinding],
  'exchange.bind-ok': [40, 31, []],
  'exchange.unbind': [40, 40, exchangeBinding],
  'exchange.unbind-ok': [40, 51, []],

  'queue.declare': [50, 10, [ticket, queue, passive, durable, exclusive, autoDelete, noWait, args]],
  'queue.declare-ok': [50, 11, [queue, messageCount, ['consumerCount', 'long']]],
  'queue.bind': [50, 20, [ticket, queue, exchange, routingKey, noWait, args]],
  'queue.bind-ok': [50, 21, []],
  'queue.purge': [50, 30, [ticket, queue, noWait]],
  'queue.purge-ok': [50, 31, [messageCount]],
  'queue.delete': [50, 40, [ticket, queue, ifUnused, ['ifEmpty', 'bit'], noWait]],
  'queue.delete-ok': [50, 41, [messageCount]],
  'queue.unbind': [50, 50, [ticket, queue, exchange, routingKey, args]],
  'queue.unbind-ok': [50, 51, []],

  'basic.qos': [
    60,
    10,
    [
      ['prefetchSize', 'long'],
      ['prefetchCount', 'short'],
      ['global', 'bit'],
    ],
  ],
  'basic.qos-ok': [60, 11, []],
  'basic.consume': [60, 20, [ticket, queue, consumerTag, ['noLocal', 'bit'], noAck, exclusive, noWait, args]],
  'basic.consume-ok': [60, 21, [consumerTag]],
  'basic.cancel': [60, 30, [consumerTag, noWait]],
  'basic.cancel-ok': [60, 31, [consumerTag]],
  'basic.publish': [60, 40, [ticket, exchange, routingKey, ['mandatory', 'bit'], ['immediate', 'bit']]],
  'basic.return': [60, 50, [replyCode, replyText, exchange, routingKey]],
  'basic.deliver': [60, 60, [consumerTag, deliveryTag, redelivered, exchange, routingKey]],
  'basic.get': [60, 70, [ticket, queue, noAck]],
  'basic.get-ok': [60, 71, [deliveryTag, redelivered, exchange, routingKey, messageCount]],
  'basic.get-empty': [60, 72, [reserved('shortstr')]],
  'basic.ack': [60, 80, [deliveryTag, multiple]],
  'basic.reject': [60, 90, [deliveryTag, requeue]],
  'basic.recover-async': [60, 100, [requeue]],
  'basic.recover': [60, 110, [requeue]],
  'basic.recover-ok': [60, 111, []],
  'basic.nack': [60, 120, [deliveryTag, multiple, requeue]],

  'confirm.select': [85, 10, [noWait]],
  'confirm.select-ok': [85, 11, []],
  'tx.select': [90, 10, []],
  'tx.select-ok': [90, 11, []],
  'tx.commit': [90, 20, []],
  'tx.commit-ok': [90, 21, []],
  'tx.rollback': [90, 30, []],
  'tx.rollback-ok': [90, 31, []],
} as const satisfies Record<string, readonly [number, number, readonly (readonly [string, Domain])[]]>
