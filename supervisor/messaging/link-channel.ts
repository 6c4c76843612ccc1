import { IllegalOperationError } from 'amqplib'
import type { AmqplibChannel, AmqplibConfirmChannel, OnConfirm, Options } from '../amqp/amqplib-inside.ts'
import type { Delivered } from './wire/delivered.ts'
import type { Wire } from './wire/wire.ts'
import type { Publication } from './wire/write-publish.ts'

export type { OnConfirm } from '../amqp/amqplib-inside.ts'
export type { Delivered } from './wire/delivered.ts'
export type { Publication } from './wire/write-publish.ts'

/** What a broker says of a queue. */
export interface QueueState {
  readonly queue: string
  /** Messages that are ready; those that are out with a consumer do not count. */
  readonly messageCount: number
  readonly consumerCount: number
}

/**
 * A channel of a link. Every promise of it settles: with the broker's answer, or as the channel or the link ends. Each is
 * handled, too: one that nobody awaits any more, because the link was lost meanwhile, ends no process.
 */
export interface LinkChannel {
  assertQueue(queue: string, options?: Options.AssertQueue): Promise<QueueState>
  /** Rejects, and ends the channel, where there is no such queue. */
  checkQueue(queue: string): Promise<QueueState>
  deleteQueue(queue: string, options?: Options.DeleteQueue): Promise<{ readonly messageCount: number }>
  purgeQueue(queue: string): Promise<{ readonly messageCount: number }>
  bindQueue(queue: string, exchange: string, key: string): Promise<unknown>
  unbindQueue(queue: string, exchange: string, key: string): Promise<unknown>
  assertExchange(exchange: string, type: string, options?: Options.AssertExchange): Promise<unknown>
  /** Rejects, and ends the channel, where there is no such exchange. */
  checkExchange(exchange: string): Promise<unknown>
  deleteExchange(exchange: string, options?: Options.DeleteExchange): Promise<unknown>
  bindExchange(exchange: string, source: string, key: string): Promise<unknown>
  unbindExchange(exchange: string, source: string, key: string): Promise<unknown>
  /** How many messages each consumer of the channel that follows gets before it has to acknowledge. */
  prefetch(count: number): Promise<unknown>
  /** @param onMessage gets null when the broker cancels the consumer */
  consume(
    queue: string,
    onMessage: (message: Delivered | null) => void,
    options?: Options.Consume,
  ): Promise<{ readonly consumerTag: string }>
  cancel(consumerTag: string): Promise<unknown>
  /** These do nothing on a channel that is closed or closing: the broker delivers again what was not settled. */
  ack(message: Pick<Delivered, 'fields'> | Tagged, allUpTo?: boolean): void
  nack(message: Pick<Delivered, 'fields'> | Tagged, allUpTo?: boolean, requeue?: boolean): void
  reject(message: Pick<Delivered, 'fields'> | Tagged, requeue?: boolean): void
  /** Sends without waiting for anything, and throws where that is impossible. */
  publish(exchange: string, routingKey: string, body: Buffer, properties?: Options.Publish): void
  on(event: 'close', listener: () => void): void
  /** A mandatory message that no queue took. */
  on(event: 'return', listener: (message: Delivered) => void): void
  close(): Promise<void>
}

/** All that settling needs of a message. */
export interface Tagged {
  readonly fields: { readonly deliveryTag: number }
}

/** A channel on which the broker confirms each message. */
export interface PublishingChannel extends LinkChannel {
  /** Octets that a publication's `raw` properties may have; 0: they can't be sent, only decoded ones. */
  readonly mostProperties: number
  /**
   * Publishes; `onConfirm` gets null, or an Error for a refusal or the channel's end.
   * @returns false: wait for `drain`
   * @throws what amqplib throws for properties that can't be encoded, or where the channel has ended
   */
  send(publication: Publication, body: Buffer, onConfirm: OnConfirm): boolean
  on(event: 'close' | 'drain', listener: () => void): void
  on(event: 'return', listener: (message: Delivered) => void): void
}

/** Settles as the work does, or as its link is lost. */
export type OrLost = <T>(work: Promise<T>) => Promise<T>

/** Wraps one of amqplib's channels. */
export function createLinkChannel(channel: AmqplibChannel, orLost: OrLost): LinkChannel {
  // amqplib throws some of its errors at once.
  function ask<T>(question: () => Promise<T>): Promise<T> {
    const answer = orLost(new Promise<T>((resolve) => resolve(question())))
    answer.catch(() => {})
    return answer
  }

  return {
    assertQueue: (queue, options) => ask(() => channel.assertQueue(queue, options)),
    checkQueue: (queue) => ask(() => channel.checkQueue(queue)),
    deleteQueue: (queue, options) => ask(() => channel.deleteQueue(queue, options)),
    purgeQueue: (queue) => ask(() => channel.purgeQueue(queue)),
    bindQueue: (queue, exchange, key) => ask(() => channel.bindQueue(queue, exchange, key)),
    unbindQueue: (queue, exchange, key) => ask(() => channel.unbindQueue(queue, exchange, key)),
    assertExchange: (exchange, type, options) => ask(() => channel.assertExchange(exchange, type, options)),
    checkExchange: (exchange) => ask(() => channel.checkExchange(exchange)),
    deleteExchange: (exchange, options) => ask(() => channel.deleteExchange(exchange, options)),
    bindExchange: (exchange, source, key) => ask(() => channel.bindExchange(exchange, source, key)),
    unbindExchange: (exchange, source, key) => ask(() => channel.unbindExchange(exchange, source, key)),
    prefetch: (count) => ask(() => channel.prefetch(count)),
    consume: (queue, onMessage, options) => ask(() => channel.consume(queue, onMessage as never, options)),
    cancel: (consumerTag) => ask(() => channel.cancel(consumerTag)),
    ack: (message, allUpTo) => settle(() => channel.ack(message as never, allUpTo)),
    nack: (message, allUpTo, requeue) => settle(() => channel.nack(message as never, allUpTo, requeue)),
    reject: (message, requeue) => settle(() => channel.reject(message as never, requeue)),
    publish: (exchange, routingKey, body, properties) => void channel.publish(exchange, routingKey, body, properties),
    on: (event: string, listener: (message: Delivered) => void) => void channel.on(event, listener),
    close: () => ask(() => channel.close()),
  }
}

function settle(settling: () => void): void {
  try {
    settling()
  } catch (error) {
    if (!(error instanceof IllegalOperationError)) throw error
  }
}

/** Wraps one of amqplib's channels whose messages are confirmed. */
export function createPublishingChannel(channel: AmqplibConfirmChannel, wire: Wire, orLost: OrLost): PublishingChannel {
  return {
    ...createLinkChannel(channel, orLost),
    mostProperties: wire.mostProperties,
    send: (publication, body, onConfirm) => wire.publish(channel, publication, body, onConfirm),
  }
}
