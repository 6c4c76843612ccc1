import { encodeMethod, type Method, type MethodName, type OutgoingMethod } from '../../amqp/methods.ts'
import { AmqpError, notFound } from '../errors.ts'
import type { Queue } from '../queues/queue.ts'
import type { Destination } from '../routing/matcher.ts'
import type { Defer } from './channel.ts'
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

export function createDeclaring(channel: number, wire: Wire, defer: Defer): Declaring {
  const { vhost, replies, synced } = wire.context
  let lastQueue: string | undefined

  function reply(noWait: boolean, method: OutgoingMethod): void {
    if (!noWait) wire.write(encodeMethod(channel, method))
  }

  /**
   * Makes a change, and answers once that is on disk. The answer's place is kept from before the change, because what the
   * change causes comes behind it: a client that deletes a queue expects `delete-ok` first, then its consumers' `cancel`.
   */
  function change(noWait: boolean, make: () => OutgoingMethod, done: () => Promise<void> = synced): void {
    if (noWait) return void make()
    const answer = wire.reserve(channel)
    try {
      const method = make()
      done()
        .then(() => answer(encodeMethod(channel, method)))
        .catch(wire.fail)
    } catch (error) {
      answer()
      throw error
    }
  }

  /** Deletes something, and answers once nothing is left of it, on disk and else. */
  function remove(noWait: boolean, make: () => { answer: OutgoingMethod; cleared: Promise<void> }): void {
    let cleared: Promise<void> | undefined
    change(
      noWait,
      function deleteIt() {
        const made = make()
        cleared = made.cleared
        return made.answer
      },
      async function removed() {
        await cleared
        await synced()
      },
    )
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
    const name = withoutBreaks(asked)
    const flags = { durable, exclusive, autoDelete }
    if (passive) {
      reply(noWait, declared(vhost.queue(name, wire.owner)))
      return
    }
    const make = () => declared(vhost.declareQueue(name, flags, args, wire.owner))
    makeWay('queue.declare', { kind: 'queue', name }, function declare() {
      if (durable) change(noWait, make)
      else reply(noWait, make())
    })
  }

  function makeWay(method: MethodName, destination: Destination, declare: () => void): void {
    function* steps(): Generator<void> {
      yield* vhost.makeWay(destination)
      declare()
    }
    defer(method, wire.work(steps()))
  }

  function declared(queue: Queue): OutgoingMethod<'queue.declare-ok'> {
    queue.touch()
    lastQueue = queue.name
    const { name, messageCount, consumerCount } = queue
    return { name: 'queue.declare-ok', queue: name, messageCount, consumerCount }
  }

  function bind(
    destination: Destination,
    method: Method<'queue.bind' | 'queue.unbind' | 'exchange.bind' | 'exchange.unbind'>,
  ): void {
    const source = withoutBreaks('source' in method ? method.source : method.exchange)
    const binding = { source, destination, routingKey: keyOf(method), arguments: method.arguments }
    change('noWait' in method && method.noWait, function make() {
      if (method.name === 'queue.unbind' || method.name === 'exchange.unbind') vhost.unbind(binding, wire.owner)
      else vhost.bind(binding, wire.owner)
      return { name: `${method.name}-ok` }
    })
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
          const { passive, noWait, arguments: args, type, durable, autoDelete, internal } = method
          const name = withoutBreaks(method.exchange)
          if (passive) {
            vhost.checkExchange(name)
            return reply(noWait, { name: 'exchange.declare-ok' })
          }
          function make(): OutgoingMethod {
            vhost.declareExchange(name, { type, durable, autoDelete, internal }, args)
            return { name: 'exchange.declare-ok' }
          }
          return makeWay(method.name, { kind: 'exchange', name }, () => change(noWait, make))
        }
        case 'exchange.delete':
          return remove(method.noWait, function make() {
            const cleared = vhost.deleteExchange(withoutBreaks(method.exchange), method.ifUnused)
            return { answer: { name: 'exchange.delete-ok' }, cleared }
          })
        case 'exchange.bind':
        case 'exchange.unbind':
          return bind({ kind: 'exchange', name: withoutBreaks(method.destination) }, method)
        case 'queue.declare':
          return declareQueue(method)
        case 'queue.bind':
        case 'queue.unbind':
          return bind({ kind: 'queue', name: withoutBreaks(queueName(method.queue)) }, method)
        case 'queue.purge':
          return change(method.noWait, function make() {
            const messageCount = vhost.queue(queueName(method.queue), wire.owner).purge()
            return { name: 'queue.purge-ok', messageCount }
          })
        case 'queue.delete': {
          const { ifUnused, ifEmpty, noWait } = method
          return remove(noWait, function make() {
            const name = withoutBreaks(queueName(method.queue))
            const { messageCount, cleared } = vhost.deleteQueue(name, { ifUnused, ifEmpty }, wire.owner)
            return { answer: { name: 'queue.delete-ok', messageCount }, cleared }
          })
        }
      }
    },
  }
}

/** RabbitMQ takes line breaks out of the names that it declares, binds and deletes, and of no others. */
function withoutBreaks(name: string): string {
  return name.replaceAll(/[\r\n]/g, '')
}
