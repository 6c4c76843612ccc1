import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { BrokerLimitError, CallTimeoutError, TopologyError, UnroutableError } from '../../supervisor/base/errors.ts'
import { aFanout, aQueue, bench, numberOf, unique } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

/**
 * What Warren's messaging promises on any broker: the same assertions, whichever broker is plugged in.
 * @param url of a place on the broker that nothing else uses
 */
export async function contract(t: Test, url: string): Promise<void> {
  t.test('a sent message arrives as the design says, and is gone once acked', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    const { id } = await (await client()).bus({ requestId: 'request-1' }).send(queue, { n: 1 })

    const raw = await channel()
    const peeked = await raw.get(queue.name, { noAck: false })
    if (!peeked) return t.fail('expected a message in the queue')
    const { properties } = peeked
    t.match(properties, {
      contentType: 'application/json',
      messageId: id,
      type: queue.name,
      appId: 'warren',
      deliveryMode: 2,
      headers: { 'x-attempt': 1, 'x-life': 0, 'x-due': undefined, 'x-request-id': 'request-1' },
    })
    t.ok(Math.abs(properties.timestamp - Date.now() / 1000) < 60, 'timestamp: AMQP counts seconds')
    t.equal(peeked.content.toString(), '{"n":1}')
    raw.nack(peeked)

    const worker = await consumer({ address: queue })
    const [incoming] = await worker.received.reach(1)
    t.match(incoming, { id, attempt: 1, requestId: 'request-1' })
    incoming?.ack()
    await worker.close()
    t.equal((await raw.checkQueue(queue.name)).messageCount, 0)
  })

  t.test('a message that is sent before any worker runs waits for one', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    await (await client()).bus().send(queue, { n: 7 })
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    const [incoming] = await worker.received.reach(1)
    t.equal(incoming && numberOf(incoming), 7)
  })

  t.test('competing instances share a queue: each message goes to one of them', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const instances = await Promise.all([1, 2, 3].map(() => consumer({ address: queue, onMessage: (m) => m.ack() })))
    const { send } = (await client()).bus()
    await Promise.all(Array.from({ length: 300 }, (_, n) => send(queue, { n })))
    await until(() => instances.reduce((sum, i) => sum + i.received.items.length, 0) >= 300, { what: '300 messages' })
    const numbers = instances.flatMap((i) => i.received.items.map(numberOf))
    t.equal(new Set(numbers).size, 300)
    t.equal(numbers.length, 300)
    for (const instance of instances) t.ok(instance.received.items.length > 0, 'every instance took part')
  })

  t.test("one sender's messages keep their order", async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue, concurrency: 100, onMessage: (m) => m.ack() })
    const { send } = (await client()).bus()
    await Promise.all(Array.from({ length: 3000 }, (_, n) => send(queue, { n })))
    const numbers = (await worker.received.reach(3000)).map(numberOf)
    t.strictSame(numbers, [...numbers.keys()])
  })

  t.test('every subscribed worker gets its own copy of a fanout; its instances share it', async (t) => {
    const { client, consumer } = bench(t, url)
    const fanout = aFanout()
    const subscribe = (worker: string) => consumer({ address: fanout, worker, onMessage: (m) => m.ack() })
    const alone = await subscribe('alone')
    const shared = await Promise.all([subscribe('shared'), subscribe('shared')])
    const { publish } = (await client()).bus()
    await Promise.all(Array.from({ length: 100 }, (_, n) => publish(fanout, { n })))
    await alone.received.reach(100)
    await until(() => shared.reduce((sum, i) => sum + i.received.items.length, 0) >= 100, { what: 'the shared copies' })
    t.equal(new Set(shared.flatMap((i) => i.received.items.map(numberOf))).size, 100)
    t.equal(shared.flatMap((i) => i.received.items).length, 100)
  })

  t.test("with `subscription: 'instance'` every process gets a copy", async (t) => {
    const { client, consumer } = bench(t, url)
    const fanout = aFanout()
    const options = { address: fanout, subscription: 'instance', onMessage: (m: { ack(): void }) => m.ack() } as const
    const instances = await Promise.all([consumer(options), consumer(options)])
    await (await client()).bus().publish(fanout, { n: 1 })
    for (const instance of instances) await instance.received.reach(1)
    t.pass('both got it')
  })

  t.test('a subscription keeps what is published while its worker is away', async (t) => {
    const { client, consumer } = bench(t, url)
    const fanout = aFanout()
    await (await consumer({ address: fanout })).close()
    await (await client()).bus().publish(fanout, { n: 5 })
    const again = await consumer({ address: fanout, onMessage: (m) => m.ack() })
    const [incoming] = await again.received.reach(1)
    t.equal(incoming && numberOf(incoming), 5)
  })

  t.test('a fanout without subscribers is an error, unless the publisher says otherwise', async (t) => {
    const { client } = bench(t, url)
    const { publish } = (await client()).bus()
    const fanout = aFanout()
    await t.rejects(publish(fanout, { n: 1 }), UnroutableError)
    t.ok((await publish(fanout, { n: 1 }, { mandatory: false })).id)
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => publish(fanout, { n }, { id: 'same' })),
    )
    t.ok(settled.every((s) => s.status === 'rejected' && s.reason instanceof UnroutableError))
  })

  t.test('a queue that somebody deleted is declared again by the next send', async (t) => {
    const { client, channel } = bench(t, url)
    const { send } = (await client()).bus()
    const queue = aQueue()
    await send(queue, { n: 1 })
    const raw = await channel()
    await raw.deleteQueue(queue.name)
    await t.rejects(send(queue, { n: 2 }), UnroutableError)
    await send(queue, { n: 3 })
    t.equal((await raw.checkQueue(queue.name)).messageCount, 1)
  })

  t.test('a queue with other properties is a clear error, and nothing else suffers', async (t) => {
    const { client, channel } = bench(t, url)
    const queue = aQueue()
    await (await channel()).assertQueue(queue.name, { durable: true, arguments: { 'x-queue-type': 'classic' } })
    const { send } = (await client()).bus()
    await t.rejects(send(queue, { n: 1 }), TopologyError)
    t.ok(await send(aQueue(), { n: 2 }))
  })

  t.test('a worker with a timeout that this broker would break is refused, and no other', async (t) => {
    const { consumer, channel } = bench(t, url)
    const { serverProperties } = (await channel()).connection as unknown as { serverProperties: { version?: string } }
    const hour = { timeout: 3_600_000, wait: false }
    const refused = new Promise((resolve) => {
      void consumer({ ...hour, address: aQueue(), onUnusable: resolve }).then((worker) => worker.ready().then(resolve))
    })
    const expected = serverProperties.version?.startsWith('3.10') ? BrokerLimitError : undefined
    const result = await refused
    t.equal(result instanceof BrokerLimitError ? BrokerLimitError : undefined, expected)
    if (expected) t.match((result as Error).message, /timeout of 3600000 ms; RabbitMQ 3\.10\.8 .* at most 1740000 ms/)
  })

  t.test('no more messages than the concurrency are out at once', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { send, call } = (await client()).bus()
    await Promise.all(Array.from({ length: 20 }, (_, n) => send(queue, { n })))
    const worker = await consumer({ address: queue, concurrency: 3 })
    await worker.received.reach(3)
    // A call through the same broker takes longer than a fourth delivery would.
    await t.rejects(call(aQueue(), { n: 1 }, { timeout: 300 }), CallTimeoutError)
    t.equal(worker.received.items.length, 3)
    worker.received.items[1]?.ack()
    await worker.received.reach(4)
    t.equal(worker.received.items.length, 4, 'a message beyond an unfinished one is acked at once')
    worker.received.items[0]?.ack()
    worker.received.items[2]?.ack()
    await worker.received.reach(6)
    t.equal(worker.received.items.length, 6)
  })

  t.test('what is given back or was not settled comes again', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    for (const n of [0, 1, 2, 3]) await send(queue, { n })
    const first = await consumer({ address: queue })
    const [zero, one] = await first.received.reach(4)
    zero?.ack()
    one?.requeue()
    await first.received.reach(5)
    await first.quiet()
    await first.close()
    const second = await consumer({ address: queue, onMessage: (m) => m.ack() })
    await second.received.reach(3)
    t.strictSame(second.received.items.map(numberOf).sort(), [1, 2, 3])
  })

  t.test('a quiet consumer gets nothing more and can still settle', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    await send(queue, { n: 1 })
    const worker = await consumer({ address: queue })
    const [incoming] = await worker.received.reach(1)
    await worker.quiet()
    await send(queue, { n: 2 })
    incoming?.ack()
    await worker.close()
    t.equal(worker.received.items.length, 1)
    t.equal((await (await channel()).checkQueue(queue.name)).messageCount, 1)
  })

  t.test('other clients need only send JSON', async (t) => {
    const { consumer, channel } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    ;(await channel()).sendToQueue(queue.name, Buffer.from('{"n":4}'))
    const [incoming] = await worker.received.reach(1)
    t.match(incoming?.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    t.match(incoming, { attempt: 1, requestId: undefined, reply: undefined })
  })

  t.test('a consumer whose queue is deleted declares it and goes on', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    await (await channel()).deleteQueue(queue.name)
    await worker.states.reach(3)
    await worker.ready()
    await (await client()).bus().send(queue, { n: 1 })
    await worker.received.reach(1)
    t.strictSame(
      worker.states.items.map((s) => s.status),
      ['ready', 'waiting', 'ready'],
    )
  })

  t.test('bodies of every size arrive whole', async (t) => {
    const { client, consumer } = bench(t, url)
    const text = defineQueue(unique('text'), { data: z.object({ text: z.string() }) })
    const worker = await consumer({ address: text as never, onMessage: (m) => m.ack() })
    const { send } = (await client()).bus()
    const sizes = [0, 1, 2_000, 131_064, 131_072, 1_000_000, 5_000_000]
    for (const size of sizes) await send(text, { text: randomUUID().slice(0, 1).repeat(size) })
    const bodies = await worker.received.reach(sizes.length)
    t.strictSame(
      bodies.map((m) => JSON.parse(m.body.toString()).text.length),
      sizes,
    )
  })
}
