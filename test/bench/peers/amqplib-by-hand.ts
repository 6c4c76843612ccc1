// amqplib as its users write it: each message acknowledged by itself, each send a promise of its confirm.
import { randomUUID } from 'node:crypto'
import { type Channel, type ConsumeMessage, connect, type Options } from 'amqplib'
import { bind, declare, encode, openCalls, parse } from './amqplib.ts'
import { answerCalls } from './host.ts'
import { type Payload, payloadOf, resultOf } from './payload.ts'
import { ATTEMPT_HEADER, attemptOf, waitArguments, waitQueue } from './retry.ts'
import { callMany, sendersOf, sendMany } from './send.ts'
import { createTally } from './tally.ts'

const [url = '', prefetch = '250'] = process.argv.slice(2)
const connection = await connect(url)
const out = await connection.createConfirmChannel()
const tally = createTally()

/** Resolves when the broker has confirmed it. The exchange '' has each queue by its name. */
function publish(exchange: string, key: string, body: Buffer, options: Options.Publish = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const onConfirm = (error: unknown) => (error ? reject(error) : resolve())
    out.publish(exchange, key, body, { persistent: true, ...options }, onConfirm)
  })
}

function send(exchange: string, key: string, data: Payload): Promise<void> {
  return publish(exchange, key, encode(data))
}

/** Consumes on a channel of its own. */
async function consume(
  queue: string,
  handle: (message: ConsumeMessage, channel: Channel) => void | Promise<void>,
): Promise<Channel> {
  const channel = await connection.createChannel()
  await channel.prefetch(Number(prefetch))
  await channel.consume(queue, function onMessage(message) {
    if (!message) throw new Error('the consumer was cancelled')
    return handle(message, channel)
  })
  return channel
}

answerCalls({
  declare: (queue: string) => declare(out, queue),
  purge: (queue: string) => out.purgeQueue(queue),

  ...sendersOf((queue, data) => send('', queue, data)),

  async take(queue: string, count: number, skip?: number) {
    const taken = tally.take(count, skip)
    const channel = await consume(queue, function onMessage(message, channel) {
      tally.handled(parse(message).at)
      channel.ack(message)
    })
    const result = await taken
    await channel.close()
    return result
  },

  bind: (fanout: string, queues: readonly string[]) => bind(out, fanout, queues),

  broadcast(fanout: string, count: number, bytes: number) {
    const data = payloadOf(bytes)
    return sendMany(count, () => send(fanout, '', data))
  },

  async serve(queue: string) {
    await consume(queue, function onRequest(message, channel) {
      const { replyTo, correlationId } = message.properties
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(resultOf(parse(message)))), { correlationId })
      channel.ack(message)
    })
  },

  async call(queue: string, count: number, bytes: number, callers: number) {
    const data = payloadOf(bytes)
    const channel = await connection.createChannel()
    const request = await openCalls(channel, randomUUID)
    const called = await callMany(count, callers, () => request(queue, data))
    await channel.close()
    return called
  },

  async declareRetried(queue: string) {
    await declare(out, queue)
    await out.assertQueue(waitQueue(queue), { durable: true, arguments: waitArguments(queue) })
  },

  async takeRetried(queue: string, count: number) {
    const taken = tally.take(count)
    const channel = await consume(queue, async function onMessage(message, channel) {
      const attempt = attemptOf(message.properties.headers)
      try {
        tally.attempted(parse(message).at, attempt)
      } catch {
        await publish('', waitQueue(queue), message.content, { headers: { [ATTEMPT_HEADER]: attempt + 1 } })
      }
      channel.ack(message)
    })
    const result = await taken
    await channel.close()
    return result
  },
})
