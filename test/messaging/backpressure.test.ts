import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import {
  BrokerBlockedError,
  ConfirmLostError,
  MessageTooLargeError,
  PublishOverflowError,
  UnavailableError,
} from '../../supervisor/base/errors.ts'
import type { Incoming } from '../../supervisor/base/message.ts'
import { noPrivateNode, startNode } from '../helpers/broker.ts'
import { aQueue, bench, numberOf, unique } from '../helpers/messaging.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import { runRabbitmqctl } from '../helpers/rabbitmq-admin.ts'
import { until } from '../helpers/until.ts'

t.test('a broker that takes no messages, or none for now', { skip: noPrivateNode }, async (t) => {
  t.setTimeout(600_000)
  const node = await startNode(t)
  const rabbitmqctl = (...args: string[]) => runRabbitmqctl(node.environment, ...args)

  await t.test('a memory alarm: sends are refused within a second, and taken again once it clears', async (t) => {
    const { client, consumer } = bench(t, node.url)
    const queue = aQueue()
    const worker = await consumer({ address: queue })
    const sender = await client()
    const { send } = sender.bus()
    for (const n of [1, 2]) await send(queue, { n })
    const [first] = await worker.received.reach(2)

    await rabbitmqctl('set_vm_memory_high_watermark', '0.000001')
    // RabbitMQ tells a connection only when it publishes. What is written by then it may take when the alarm has cleared.
    const written = [3, 4, 5].map((n) => send(queue, { n }, { id: `written ${n}` }))
    for (const result of await Promise.allSettled(written)) {
      t.match(result, { status: 'rejected', reason: ConfirmLostError })
    }
    t.equal(sender.state.status, 'blocked')
    await t.rejects(send(queue, { n: 6 }), BrokerBlockedError)

    // A message that is moved on waits: a copy that is sent once more would be a second message.
    const copying = sender.isolate({ ...(first as Incoming), queue: queue.name, suspects: undefined }, { bare: false })
    await t.rejects(copying, BrokerBlockedError, 'not written: it is for the caller to try again')

    first?.ack()
    t.equal(worker.state.status, 'ready', 'consuming goes on, over a connection that does not publish')

    await rabbitmqctl('set_vm_memory_high_watermark', '0.8')
    await until(() => sender.state.status === 'ready', { what: 'the alarm to clear' })
    t.ok(await send(queue, { n: 7 }))
    const numbers = () => worker.received.items.map(numberOf)
    await until(() => numbers().includes(7), { what: 'the message after the alarm' })
    t.notOk(numbers().includes(6), 'what was refused was not sent')
    t.ok(
      [3, 4, 5].every((n) => numbers().includes(n)),
      'what was written has arrived',
    )
  })

  await t.test(
    'a memory alarm with copies in flight: they wait for their confirms, and there is one of each',
    async (t) => {
      const { client, consumer, channel } = bench(t, node.url)
      const queue = aQueue()
      const sender = await client()
      const { send } = sender.bus()
      const count = 50
      await Promise.all(Array.from({ length: count }, (_, n) => send(queue, { n })))
      const worker = await consumer({ address: queue, concurrency: count })
      const held = await worker.received.reach(count)
      await rabbitmqctl('set_vm_memory_high_watermark', '0.000001')
      const moving = Promise.all(held.map((incoming) => sender.deadLetter(incoming, {}, { bare: false })))
      // Longer than senders are kept waiting.
      await until(() => sender.state.status === 'blocked', { what: 'the alarm' })
      await t.rejects(send(queue, { n: -1 }), BrokerBlockedError)
      const early = await Promise.race([moving.then(() => 'moved', String), sleep(1_000, 'still waiting')])
      t.equal(early, 'still waiting')
      await rabbitmqctl('set_vm_memory_high_watermark', '0.8')
      await moving
      for (const incoming of held) incoming.ack()
      const raw = await channel()
      t.equal((await raw.checkQueue(`${queue.name}.dead`)).messageCount, count)
    },
  )

  await t.test('what waits for a silent broker is bounded, and every send is settled', async (t) => {
    const proxy = await startProxy(t, node.port)
    const { client } = bench(t, throughProxy(node.url, proxy))
    const large = defineQueue(unique('large'), { data: z.string() })
    const { send } = (await client()).bus()
    await send(large, 'first')
    proxy.freeze()
    const text = 'x'.repeat(1_000_000)
    const sends = Promise.allSettled(Array.from({ length: 1_100 }, (_, n) => send(large, n < 1_000 ? 'small' : text)))
    await t.rejects(send(large, text), PublishOverflowError)
    proxy.cut()
    proxy.thaw()
    const settled = await sends
    t.equal(settled.length, 1_100)
    t.ok(settled.every((s) => s.status === 'rejected' && s.reason instanceof UnavailableError))
    t.ok(settled.some((s) => s.status === 'rejected' && s.reason instanceof PublishOverflowError))
  })

  await t.test('a message over 16 MiB is refused before it costs the channel', async (t) => {
    const { client } = bench(t, node.url)
    const large = defineQueue(unique('large'), { data: z.string() })
    const { send } = (await client()).bus()
    await t.rejects(send(large, 'x'.repeat(16 * 1024 * 1024)), MessageTooLargeError)
    t.ok(await send(large, 'x'.repeat(1024 * 1024)))
  })
})
