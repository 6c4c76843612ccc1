import { encodeMethod, type Method, type MethodName, type OutgoingMethod } from '../../amqp/methods.ts'
import { AmqpError, notFound } from '../errors.ts'
import type { Destination } from '../routing/matcher.ts'
import type { Wire } from './context.ts'
import { replyToken } from './reply-to.ts'

/** The methods that change exchanges, queues and bindings. */
export type DeclaringMethod = Method<
  Extract<
    MethodName,
    | 'exchange.declare'
    | 'exchange.delete'
    | 'exchange.bind'
    | 'exchange.unbind'
    | 'queue.declare'
    | 'queue.bind'
    | 'queue.unbind'
    | 'queue.purge'
    | 'queue.delete'
  >
>

/** The part of a channel that handles them. */
export interface Declaring {
  handle(method: DeclaringMethod): void
  /** The name itself, or for '' the queue that this channel declared last (AMQP 0-9-1, queue.declare). */
  queueName(name: string): string
}

export function createDeclaring(channel: number, wire: Wire): Declaring {
  const { vhost, replies, synced } = wire.context
  let lastQueue: string | undefined

  /** Answers once the change is on disk. */
  function reply(noWait: boolean, method: OutgoingMethod): void {
    if (!noWait) wire.write(encodeMethod(channel, method))
  }

  function changed(noWait: boolean, method: OutgoingMethod): void {
    // What comes next on this connection must not overtake the answer.
    wire.hold(synced().then(() => reply(noWait, method)))
  }

  function queueName(name: string): string {
    if (name !== '') return name
    if (lastQueue === undefined) throw new AmqpError(404, 'no previously declared queue')
    return lastQueue
  }

  function declareQueue({
    queue: asked,
    passive,
    durable,
    exclusive,
    autoDelete,
    noWait,
    arguments: args,
  }: Method<'queue.declare'>): void {
    const token = replyToken(asked)
    if (token !== undefined) {
      // Tells whether somebody still waits for the reply.
      if (!replies.has(token)) throw notFound('queue', asked)
      reply(noWait, { name: 'queue.declare-ok', queue: asked, messageCount: 0, consumerCount: 1 })
      return
    }
    const queue = passive
      ? vhost.queue(asked, wire.owner)
      : vhost.declareQueue(asked, { durable, exclusive, autoDelete }, args, wire.owner)
    queue.touch()
    lastQueue = queue.name
    const { name, messageCount } = queue
    const ok = { name: 'queue.declare-ok', queue: name, messageCount, consumerCount: queue.consumers.size } as const
    if (passive || !durable) reply(noWait, ok)
    else changed(noWait, ok)
  }

  function bind(
    destination: Destination,
    method: Method<'queue.bind' | 'queue.unbind' | 'exchange.bind' | 'exchange.unbind'>,
  ): void {
    const source = 'source' in method ? method.source : method.exchange
    const binding = { source, destination, routingKey: keyOf(method), arguments: method.arguments }
    if (method.name === 'queue.unbind' || method.name === 'exchange.unbind') vhost.unbind(binding, wire.owner)
    else vhost.bind(binding, wire.owner)
    changed('noWait' in method && method.noWait, { name: `${method.name}-ok` })
  }

  /** Without a queue's name, a missing routing key is the name of the queue that the channel declared last. */
  function keyOf(method: { queue?: string; routingKey: string }): string {
    return method.queue === '' && method.routingKey === '' ? queueName('') : method.routingKey
  }

  return {
    queueName,
    handle(method) {
      switch (method.name) {
        case 'exchange.declare': {
          const { exchange, passive, noWait, arguments: args, type, durable, autoDelete, internal } = method
          if (passive) vhost.checkExchange(exchange)
          else vhost.declareExchange(exchange, { type, durable, autoDelete, internal }, args)
          return passive
            ? reply(noWait, { name: 'exchange.declare-ok' })
            : changed(noWait, { name: 'exchange.declare-ok' })
        }
        case 'exchange.delete':
          vhost.deleteExchange(method.exchange, method.ifUnused)
          return changed(method.noWait, { name: 'exchange.delete-ok' })
        case 'exchange.bind':
        case 'exchange.unbind':
          return bind({ kind: 'exchange', name: method.destination }, method)
        case 'queue.declare':
          return declareQueue(method)
        case 'queue.bind':
        case 'queue.unbind':
          return bind({ kind: 'queue', name: queueName(method.queue) }, method)
        case 'queue.purge': {
          const messageCount = vhost.queue(queueName(method.queue), wire.owner).purge()
          return changed(method.noWait, { name: 'queue.purge-ok', messageCount })
        }
        case 'queue.delete': {
          const { ifUnused, ifEmpty, noWait } = method
          const messageCount = vhost.deleteQueue(queueName(method.queue), { ifUnused, ifEmpty }, wire.owner)
          return changed(noWait, { name: 'queue.delete-ok', messageCount })
        }
      }
    },
  }
}
