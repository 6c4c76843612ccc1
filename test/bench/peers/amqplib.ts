// What both peers that use amqplib do alike.
import type { Channel, ConsumeMessage } from 'amqplib'
import { now, type Payload, type Result } from './payload.ts'

const REPLY_TO = 'amq.rabbitmq.reply-to'

export function encode(data: Payload): Buffer {
  return Buffer.from(JSON.stringify({ ...data, at: now() }))
}

export function parse<T = Payload>(message: ConsumeMessage): T {
  return JSON.parse(message.content.toString())
}

export async function declare(channel: Channel, queue: string): Promise<void> {
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
}

/** Declares a fanout, and queues that get what is published to it. */
export async function bind(channel: Channel, fanout: string, queues: readonly string[]): Promise<void> {
  await channel.assertExchange(fanout, 'fanout', { durable: true })
  for (const queue of queues) {
    await declare(channel, queue)
    await channel.bindQueue(queue, fanout, '')
  }
}

/** Has a channel get replies. @returns calls a queue; resolves with the result */
export async function openCalls(channel: Channel, newId: () => string) {
  const waiting = new Map<string, (result: Result) => void>()
  await channel.consume(
    REPLY_TO,
    function onReply(message) {
      if (!message) throw new Error('the consumer was cancelled')
      const { correlationId } = message.properties
      waiting.get(correlationId)?.(parse<Result>(message))
      waiting.delete(correlationId)
    },
    { noAck: true },
  )
  return function call(queue: string, data: Payload): Promise<Result> {
    return new Promise((resolve) => {
      const correlationId = newId()
      waiting.set(correlationId, resolve)
      channel.sendToQueue(queue, encode(data), { replyTo: REPLY_TO, correlationId })
    })
  }
}
