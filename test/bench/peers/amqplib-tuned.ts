// amqplib as fast as it goes by known means: many acknowledgements in one, confirms by callback with many in flight, no
// delay. The ceiling for whatever is built on amqplib.
import { randomUUID } from 'node:crypto'
import { type Channel, type ConsumeMessage, connect, type Options } from 'amqplib'
import { bind, declare, encode, openCalls, parse } from './amqplib.ts'
import { answerCalls } from './host.ts'
import { now, payloadOf, resultOf } from './payload.ts'
import { callMany, IN_FLIGHT, sendSteadily } from './send.ts'
import { createTally } from './tally.ts'

const ACK_EVERY = 50
const [url = '', prefetch = '250', ids] = process.argv.slice(2)
const publishing = await connect(url, { noDelay: true })
const consuming = await connect(url, { noDelay: true })
const out = await publishing.createConfirmChannel()
const tally = createTally()
const PERSISTENT = { persistent: true, contentType: 'application/json' }
const HEADERS = { 'x-attempt': 1, 'x-request-id': randomUUID() }
/** What a message carries: as little as it can, or all that Warren's do. */
const propertiesOf = ids ? identified : () => PERSISTENT

function identified(type: string): Options.Publish {
  const timestamp = Math.floor(Date.now() / 1_000)
  const own = { messageId: randomUUID(), timestamp, type, appId: 'bench', headers: HEADERS }
  return { ...PERSISTENT, mandatory: true, ...own }
}

/** Publishes so many to an exchange, of which '' has each queue by its name. @returns milliseconds until all were confirmed */
async function publish(exchange: string, key: string, count: number, bytes: number): Promise<number> {
  const data = payloadOf(bytes)
  const start = now()
  await new Promise<void>((resolve, reject) => {
    let [sent, confirmed] = [0, 0]
    sendOn()
    function sendOn(): void {
      for (; sent < count && sent - confirmed < IN_FLIGHT; sent++) {
        out.publish(exchange, key, encode(data), propertiesOf(key), onConfirm)
      }
    }
    function onConfirm(error: unknown): void {
      if (error) reject(error)
      else if (++confirmed === count) resolve()
      else if (sent - confirmed <= IN_FLIGHT / 2) sendOn()
    }
  })
  return now() - start
}

/** Consumes on a channel of its own, and acknowledges many at a time. */
async function consume(queue: string, handle: (message: ConsumeMessage, channel: Channel) => void): Promise<Channel> {
  const channel = await consuming.createChannel()
  await channel.prefetch(Number(prefetch))
  let received = 0
  await channel.consume(queue, function onMessage(message) {
    if (!message) throw new Error('the consumer was cancelled')
    handle(message, channel)
    if (++received % ACK_EVERY === 0) channel.ack(message, true)
  })
  return channel
}

answerCalls({
  declare: (queue: string) => declare(out, queue),
  purge: (queue: string) => out.purgeQueue(queue),
  publish: (queue: string, count: number, bytes: number) => publish('', queue, count, bytes),

  pace(queue: string, count: number, perSecond: number, bytes: number) {
    const data = payloadOf(bytes)
    return sendSteadily(count, perSecond, () => {
      return new Promise<void>((resolve, reject) => {
        out.sendToQueue(queue, encode(data), PERSISTENT, (error) => (error ? reject(error) : resolve()))
      })
    })
  },

  async take(queue: string, count: number, skip?: number) {
    const taken = tally.take(count, skip)
    const channel = await consume(queue, (message) => tally.handled(parse(message).at))
    const result = await taken
    channel.ackAll()
    await channel.close()
    return result
  },

  bind: (fanout: string, queues: readonly string[]) => bind(out, fanout, queues),

  broadcast: (fanout: string, count: number, bytes: number) => publish(fanout, '', count, bytes),

  async serve(queue: string) {
    await consume(queue, function onRequest(message, channel) {
      const { replyTo, correlationId } = message.properties
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(resultOf(parse(message)))), { correlationId })
    })
  },

  async call(queue: string, count: number, bytes: number, callers: number) {
    const data = payloadOf(bytes)
    const channel = await publishing.createChannel()
    let last = 0
    const request = await openCalls(channel, () => String(++last))
    const called = await callMany(count, callers, () => request(queue, data))
    await channel.close()
    return called
  },
})
