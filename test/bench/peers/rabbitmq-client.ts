// rabbitmq-client by its own documentation.
import type { Connection as ConnectionType, ConsumerHandler } from 'rabbitmq-client'
import { answerCalls } from './host.ts'
import { importInstalled } from './installed.ts'
import { now, type Payload, payloadOf, resultOf } from './payload.ts'
import { ATTEMPT_HEADER, attemptOf, waitArguments, waitQueue } from './retry.ts'
import { callMany, sendersOf, sendMany } from './send.ts'
import { createTally } from './tally.ts'

const { Connection } = importInstalled<{ Connection: typeof ConnectionType }>('rabbitmq-client')
const [url = '', prefetch = '250'] = process.argv.slice(2)
const rabbit = new Connection(url)
const publisher = rabbit.createPublisher({ confirm: true })
const tally = createTally()
const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' as const } }

const send = (queue: string, data: Payload) =>
  publisher.send({ routingKey: queue, durable: true }, { ...data, at: now() })

function consume(queue: string, handle: ConsumerHandler) {
  const options = { queue, queueOptions: QUORUM, qos: { prefetchCount: Number(prefetch) } }
  const consumer = rabbit.createConsumer(options, handle)
  consumer.on('error', console.error)
  return consumer
}

answerCalls({
  async declare(queue: string) {
    await rabbit.queueDeclare({ queue, ...QUORUM })
  },
  purge: (queue: string) => rabbit.queuePurge(queue),

  ...sendersOf(send),

  async take(queue: string, count: number, skip?: number) {
    const taken = tally.take(count, skip)
    const consumer = consume(queue, async (message) => tally.handled((message.body as Payload).at))
    const result = await taken
    await consumer.close()
    return result
  },

  async bind(fanout: string, queues: readonly string[]) {
    await rabbit.exchangeDeclare({ exchange: fanout, type: 'fanout', durable: true })
    for (const queue of queues) {
      await rabbit.queueDeclare({ queue, ...QUORUM })
      await rabbit.queueBind({ queue, exchange: fanout })
    }
  },

  broadcast(fanout: string, count: number, bytes: number) {
    const data = payloadOf(bytes)
    return sendMany(count, () => publisher.send({ exchange: fanout, durable: true }, { ...data, at: now() }))
  },

  async serve(queue: string) {
    const consumer = consume(queue, (message, reply) => reply(resultOf(message.body)))
    await new Promise<void>((resolve) => consumer.once('ready', resolve))
  },

  async call(queue: string, count: number, bytes: number, callers: number) {
    const data = payloadOf(bytes)
    const client = rabbit.createRPCClient({ confirm: true })
    const called = await callMany(count, callers, () => client.send(queue, { ...data, at: now() }))
    await client.close()
    return called
  },

  async declareRetried(queue: string) {
    await rabbit.queueDeclare({ queue, ...QUORUM })
    await rabbit.queueDeclare({ queue: waitQueue(queue), durable: true, arguments: waitArguments(queue) })
  },

  async takeRetried(queue: string, count: number) {
    const taken = tally.take(count)
    const consumer = consume(queue, async ({ body, headers }) => {
      const attempt = attemptOf(headers)
      try {
        tally.attempted((body as Payload).at, attempt)
      } catch {
        const again = { [ATTEMPT_HEADER]: attempt + 1 }
        await publisher.send({ routingKey: waitQueue(queue), durable: true, headers: again }, body)
      }
    })
    const result = await taken
    await consumer.close()
    return result
  },
})
