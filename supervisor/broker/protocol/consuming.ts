import { randomBytes } from 'node:crypto'
import type { Table } from '../../amqp/fields.ts'
import { encodeMethod, type Method } from '../../amqp/methods.ts'
import { editHeaders } from '../../amqp/properties.ts'
import { AmqpError, precondition, refused, VHOST } from '../errors.ts'
import { attempt, nextTurn } from '../guard.ts'
import { checkConsumerArguments } from '../queues/argument-checks.ts'
import type { Consumer } from '../queues/consumers.ts'
import type { Queue } from '../queues/queue.ts'
import type { Entry, Message } from '../store/log.ts'
import { withoutBcc } from './bcc.ts'
import { encodeContent } from './content.ts'
import type { Wire } from './context.ts'
import { REPLY_TO } from './reply-to.ts'
import { notImplemented, type Settling } from './settling.ts'

/** The part of a channel that gets messages: `basic.consume`, `cancel`, `get`, `qos`. */
export interface Consuming {
  qos(method: Method<'basic.qos'>): void
  consume(method: Method<'basic.consume'>, queueName: string): void
  cancel(method: Method<'basic.cancel'>): void
  get(method: Method<'basic.get'>, queueName: string): void
  /** The steps that go on, one consumer with each: its connection takes messages again. */
  resume(): Generator<void>
  /** Its consumers get nothing more. */
  stop(): void
  /** Whether the client waits for replies, and where. */
  readonly replyToken: string | undefined
  /** The steps that end its consumers. */
  close(): Generator<void>
}

/** How many messages of a quorum queue a consumer without a prefetch may have and not have settled (RabbitMQ). */
const QUORUM_LIMIT = 2_000

/** As many as a consumer of a classic queue can ask for: without a bound the places of a million would be held. */
const CLASSIC_LIMIT = 65_535

/** How many messages without a form on the wire a `basic.get` passes in one turn of the event loop. */
const SET_ASIDE_AT_ONCE = 100

export function createConsuming(channel: number, wire: Wire, settling: Settling): Consuming {
  const { vhost, replies } = wire.context
  const consumers = new Map<string, { consumer: Consumer; queue: Queue }>()
  let prefetch = 0
  let created = 0
  // While its consumers go, none gets what another one leaves.
  let isClosing = false
  let reply: { token: string; tag: string } | undefined

  function createConsumer(tag: string, queue: Queue, method: Method<'basic.consume'>): Consumer {
    const { noAck, exclusive, arguments: args } = method
    const { type } = queue.options
    const limit = prefetch || (type === 'quorum' ? QUORUM_LIMIT : CLASSIC_LIMIT)
    const consumer: Consumer = {
      tag,
      priority: (args['x-priority'] as number | undefined) ?? 0,
      exclusive,
      limit,
      place: created++,
      unacked: 0,
      canTake: () => (noAck || consumer.unacked < limit) && !isClosing && !wire.isFull(),
      deliver(entry) {
        const deliveryTag = settling.nextTag()
        const { redelivered } = entry
        const { exchange, routingKey } = entry.message
        const head = { consumerTag: tag, deliveryTag, redelivered, exchange, routingKey }
        // What throws here is the message's fault; what throws behind it is not.
        const content = contentOf(encodeMethod(channel, { name: 'basic.deliver', ...head }), entry, queue)
        attempt(wire.fail, function handOver() {
          if (!noAck) {
            consumer.unacked++
            settling.add(deliveryTag, { queue, entry, consumer })
            wire.onHandedOut()
          }
          wire.write(content)
          if (noAck) queue.ack(entry)
        })
      },
      cancel() {
        // Since the queue was deleted, its channel may have closed, and takes no more then; or its client has cancelled it, and
        // given its tag to another one.
        if (isClosing || consumers.get(tag)?.consumer !== consumer) return
        consumers.delete(tag)
        if (wire.can('consumer_cancel_notify')) {
          wire.write(encodeMethod(channel, { name: 'basic.cancel', consumerTag: tag, noWait: true }))
        }
      },
    }
    return consumer
  }

  function contentOf(method: Buffer, entry: Entry, queue: Queue): Buffer {
    const { body } = entry.message
    return encodeContent(channel, method, propertiesOf(entry, queue), body, wire.frameMax)
  }

  function consumeReplies({ consumerTag, noAck, noWait }: Method<'basic.consume'>): void {
    if (reply) throw precondition('reply consumer already set')
    if (!noAck) throw precondition('reply consumer cannot acknowledge')
    const tag = consumerTag || generatedTag()
    const token = randomBytes(18).toString('base64url')
    reply = { token, tag }
    const { isStuffed, whenRoom } = wire
    replies.set(token, { deliver, isStuffed, whenRoom })
    if (!noWait) wire.write(encodeMethod(channel, { name: 'basic.consume-ok', consumerTag: tag }))

    function deliver({ exchange, routingKey, properties, body }: Message): void {
      const head = { consumerTag: tag, deliveryTag: settling.nextTag(), redelivered: false, exchange, routingKey }
      const method = encodeMethod(channel, { name: 'basic.deliver', ...head })
      wire.write(encodeContent(channel, method, properties, body, wire.frameMax))
    }
  }

  /** Once what has expired is out of the way, and nothing else of this connection before that. */
  function answerGet(queue: Queue, noAck: boolean): void {
    for (let count = 0; count < SET_ASIDE_AT_ONCE; count++) {
      const waiting = queue.expire()
      if (waiting) return void wire.hold(waiting.then(() => answerGet(queue, noAck)))
      if (isClosing) return
      const entry = queue.isOpen() ? queue.get(noAck) : undefined
      if (!entry) return void wire.write(encodeMethod(channel, { name: 'basic.get-empty' }))
      if (handOver(queue, entry, noAck)) return
    }
    wire.hold(nextTurn().then(() => answerGet(queue, noAck)))
  }

  /** Answers with a message; one that has no form on the wire is set aside instead. Returns whether it has answered. */
  function handOver(queue: Queue, entry: Entry, noAck: boolean): boolean {
    const deliveryTag = settling.nextTag()
    const { redelivered } = entry
    let content: Buffer
    try {
      const { exchange, routingKey } = entry.message
      const head = { deliveryTag, redelivered, exchange, routingKey, messageCount: queue.messageCount }
      content = contentOf(encodeMethod(channel, { name: 'basic.get-ok', ...head }), entry, queue)
    } catch (error) {
      queue.setAside(entry, error)
      return false
    }
    if (!noAck) {
      settling.add(deliveryTag, { queue, entry, consumer: undefined })
      wire.onHandedOut()
    }
    wire.write(content)
    return true
  }

  return {
    get replyToken() {
      return reply?.token
    },

    qos({ prefetchSize, prefetchCount, global }) {
      if (prefetchSize !== 0) throw notImplemented(`prefetch_size!=0 (${prefetchSize})`)
      // RabbitMQ has deprecated it, and its quorum queues refuse it: a limit is always a consumer's own.
      if (global) throw notImplemented('global qos is not supported: set the prefetch of each consumer')
      prefetch = prefetchCount
      wire.write(encodeMethod(channel, { name: 'basic.qos-ok' }))
    },

    consume(method, queueName) {
      const { exclusive, noWait } = method
      const tag = method.consumerTag || generatedTag()
      if (consumers.has(tag) || reply?.tag === tag) {
        throw new AmqpError(530, `attempt to reuse consumer tag '${tag}'`)
      }
      const { consumers: most } = wire.context.limits
      if (consumers.size >= most) throw new AmqpError(530, `reached maximum (${most}) of consumers per channel`)
      if (queueName === REPLY_TO) return consumeReplies(method)
      const queue = vhost.queue(queueName, wire.owner)
      checkConsumerArguments(queueName, queue.options.type, method.arguments)
      if (isRefused(queue, exclusive)) {
        throw refused(`queue '${queueName}' in vhost '${VHOST}' in exclusive use`)
      }
      const consumer = createConsumer(tag, queue, method)
      consumers.set(tag, { consumer, queue })
      if (!noWait) wire.write(encodeMethod(channel, { name: 'basic.consume-ok', consumerTag: tag }))
      queue.addConsumer(consumer)
    },

    cancel({ consumerTag, noWait }) {
      const found = consumers.get(consumerTag)
      consumers.delete(consumerTag)
      if (!noWait) wire.write(encodeMethod(channel, { name: 'basic.cancel-ok', consumerTag }))
      if (reply?.tag === consumerTag) {
        replies.delete(reply.token)
        reply = undefined
      }
      found?.queue.removeConsumer(found.consumer)
    },

    get({ noAck }, queueName) {
      const queue = vhost.queue(queueName, wire.owner)
      if (queue.options.type === 'quorum' && queue.options.singleActiveConsumer) {
        throw new AmqpError(
          405,
          `cannot obtain access to locked queue '${queueName}' in vhost '${VHOST}'. basic.get operations are not ` +
            'supported by quorum queues with single active consumer',
        )
      }
      answerGet(queue, noAck)
    },

    *resume() {
      for (const { queue, consumer } of consumers.values()) {
        queue.consumers.resume(consumer)
        yield
      }
      for (const { queue } of consumers.values()) {
        if (queue.isOpen()) queue.deliver()
        yield
      }
    },

    stop() {
      isClosing = true
      if (reply) replies.delete(reply.token)
    },

    *close() {
      for (const [tag, { queue, consumer }] of consumers) {
        consumers.delete(tag)
        if (queue.isOpen()) queue.removeConsumer(consumer)
        yield
      }
    },
  }
}

/** Exclusive consumers are a matter of classic queues (RabbitMQ takes and ignores the wish on quorum queues). */
function isRefused({ options, consumers }: Queue, exclusive: boolean): boolean {
  if (options.type === 'quorum') return false
  return consumers.hasExclusive || (exclusive && (consumers.size > 0 || options.singleActiveConsumer))
}

/**
 * A message's properties for its consumer: without the keys that are nobody's business (RabbitMQ, "Sender-selected
 * Distribution"), and from a quorum queue with the number of times that it came back, and of its failed deliveries, those
 * in the queues that it died in before included ("Poison Message Handling").
 */
function propertiesOf({ message, deliveryCount, acquiredCount }: Entry, { options }: Queue): Message['properties'] {
  const properties = withoutBcc(message.properties)
  if (options.type !== 'quorum' || acquiredCount + deliveryCount === 0) return properties
  const counts: Table = { 'x-acquired-count': acquiredCount || deliveryCount }
  if (deliveryCount > 0) counts['x-delivery-count'] = deliveryCount
  return editHeaders(properties, counts)
}

function generatedTag(): string {
  return `amq.ctag-${randomBytes(16).toString('base64url')}`
}
