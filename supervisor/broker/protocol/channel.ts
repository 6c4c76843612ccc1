import { decodeHeader } from '../../amqp/frames.ts'
import { encodeMethod, type Method, type MethodName } from '../../amqp/methods.ts'
import { AmqpError } from '../errors.ts'
import { addPart, type Body } from './body.ts'
import { createConsuming } from './consuming.ts'
import type { Wire } from './context.ts'
import { createDeclaring } from './declaring.ts'
import { createPublishing } from './publishing.ts'
import { createSettling, notImplemented } from './settling.ts'
import { createTransacting } from './transacting.ts'

/** One channel of a connection. Its methods throw AmqpError for what the client did wrong. */
export interface Channel {
  /** The method that is being handled, for the error that it causes. */
  onMethod(method: Method): void
  onHeader(payload: Buffer): void
  onBody(payload: Buffer): void
  /** The steps that have its consumers go on: its connection takes messages again. */
  resume(): Generator<void>
  /** It gets and says nothing more. */
  stop(): void
  /** The steps that end its consumers, and put back what is not acknowledged, once it is stopped. */
  release(): Generator<void>
}

/**
 * Has the connection held until something is done that a method has begun, if it is a promise. What that rejects with is the
 * method's error.
 */
export type Defer = (method: MethodName, done: unknown) => void

/** A message that is arriving. */
interface Content {
  readonly method: Method<'basic.publish'>
  properties: Buffer
  size: number
  /** Of a body that comes in several frames, what has come. */
  body: Body | undefined
  /** Bytes that are accounted for as those of an unfinished message. */
  held: number
}

const CLASS_BASIC = 60
/** Bytes of properties that are not accounted for. */
const SMALL_BYTES = 4_096
const NOTHING = Buffer.alloc(0)

export function createChannel(number: number, wire: Wire, defer: Defer): Channel {
  const settling = createSettling()
  const declaring = createDeclaring(number, wire, defer)
  const consuming = createConsuming(number, wire, settling)
  const publishing = createPublishing(number, wire, defer, () => consuming.replyToken)
  const transacting = createTransacting(number, wire, defer, { publishing, settling })
  const { messageMax } = wire.context.limits
  let content: (Content & { hasHeader: boolean }) | undefined

  function settle(method: MethodName, steps: Generator<void>): void {
    defer(method, wire.work(steps))
  }

  function finish(body: Buffer): void {
    const { method, properties } = content as Content
    forget()
    publishing.publish(method, properties, body)
  }

  function hold(bytes: number): void {
    if (!content || bytes === 0) return
    content.held += bytes
    wire.addUnfinished(bytes)
  }

  function forget(): void {
    if (content && content.held > 0) wire.addUnfinished(-content.held)
    content = undefined
  }

  return {
    onMethod(method) {
      if (content) {
        const expected = content.hasHeader
          ? 'content body, got non content body'
          : `content header for class ${CLASS_BASIC}, got non content header`
        throw new AmqpError(505, `expected ${expected} frame instead`)
      }
      switch (method.name) {
        case 'basic.publish':
          publishing.check(method)
          content = { method, properties: NOTHING, size: 0, body: undefined, held: 0, hasHeader: false }
          return
        case 'basic.ack':
          return settle(method.name, settling.ack(method.deliveryTag, method.multiple))
        case 'basic.nack':
          return settle(method.name, settling.nack(method.deliveryTag, method.multiple, method.requeue))
        case 'basic.reject':
          return settle(method.name, settling.reject(method.deliveryTag, method.requeue))
        case 'basic.recover':
        case 'basic.recover-async':
          if (!method.requeue) throw notImplemented('requeue=false')
          // The answer comes before what it makes the queues deliver anew, as RabbitMQ has it.
          if (method.name === 'basic.recover') wire.write(encodeMethod(number, { name: 'basic.recover-ok' }))
          return settle(method.name, settling.requeueAll())
        case 'basic.qos':
          return consuming.qos(method)
        case 'basic.consume':
          return consuming.consume(method, declaring.queueName(method.queue))
        case 'basic.cancel':
          return consuming.cancel(method)
        case 'basic.get':
          return consuming.get(method, declaring.queueName(method.queue))
        case 'confirm.select':
          publishing.confirmSelect()
          if (!method.noWait) wire.write(encodeMethod(number, { name: 'confirm.select-ok' }))
          return
        case 'channel.flow':
          if (!method.active) throw notImplemented('active=false')
          return wire.write(encodeMethod(number, { name: 'channel.flow-ok', active: true }))
        case 'basic.cancel-ok':
          // The answer to a notification of ours that asked for none; harmless.
          return
        case 'exchange.declare':
        case 'exchange.delete':
        case 'exchange.bind':
        case 'exchange.unbind':
        case 'queue.declare':
        case 'queue.bind':
        case 'queue.unbind':
        case 'queue.purge':
        case 'queue.delete':
          return declaring.handle(method)
        case 'tx.select':
          return transacting.select()
        case 'tx.commit':
          return transacting.commit()
        case 'tx.rollback':
          return transacting.rollback()
        case 'access.request':
          return wire.write(encodeMethod(number, { name: 'access.request-ok', ticket: 1 }))
        default:
          throw new AmqpError(503, 'unimplemented method')
      }
    },

    onHeader(payload) {
      if (!content || content.hasHeader) throw new AmqpError(505, 'expected method frame, got non method frame instead')
      const { classId, bodySize, properties } = decodeHeader(payload)
      if (classId !== CLASS_BASIC) {
        throw new AmqpError(
          505,
          `expected content header for class ${CLASS_BASIC}, got one for class ${classId} instead`,
        )
      }
      if (bodySize > messageMax) {
        throw new AmqpError(406, `message size ${bodySize} is larger than configured max size ${messageMax}`)
      }
      content.hasHeader = true
      // Copied, like the body: a small message must not keep the socket's whole chunk in memory.
      content.properties = Buffer.from(properties)
      content.size = bodySize
      if (bodySize === 0) finish(NOTHING)
      // Small ones are not worth the count.
      else if (properties.length > SMALL_BYTES) hold(properties.length)
    },

    onBody(payload) {
      if (!content?.hasHeader) throw new AmqpError(505, 'expected method frame, got non method frame instead')
      const { body, size } = content
      if ((body?.received ?? 0) + payload.length > size) throw new AmqpError(501, 'a body longer than its header says')
      if (payload.length === size) return finish(Buffer.from(payload))
      const grown = addPart(body, payload, size)
      content.body = grown
      if (grown.received === size) finish(grown.bytes)
      else hold(grown.bytes.length - (body?.bytes.length ?? 0))
    },

    resume: () => consuming.resume(),

    stop() {
      forget()
      publishing.close()
      consuming.stop()
    },

    *release() {
      // Before the consumers go: who takes over gets first what they had.
      yield* settling.close()
      yield* consuming.close()
    },
  }
}
