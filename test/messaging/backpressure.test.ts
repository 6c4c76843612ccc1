import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import {
  BrokerBlockedError,
  MessageTooLargeError,
  PublishOverflowError,
  UnavailableError,
} from '../../supervisor/base/errors.ts'
import { noPrivateNode } from '../helpers/broker.ts'
import { aQueue, bench, unique } from '../helpers/messaging.ts'
import { runToEnd } from '../helpers/process.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import { startRabbitmq } from '../helpers/rabbitmq.ts'
import { until } from '../helpers/until.ts'

t.test('a broker that takes no messages, or none for now', { skip: noPrivateNode }, async (t) => {
  t.setTimeout(120_000)
  const node = await startRabbitmq(t)
  const rabbitmqctl = (...args: string[]) =>
    runToEnd(join(node.environment.RABBITMQ_SCRIPTS ?? '', 'rabbitmqctl'), args, { env: node.environment })

  await t.test('a memory alarm: sends are refused within a second, and taken again once it clears', async (t) => {
    const { client, consumer } = bench(t, node.url)
    const queue = aQueue()
    const worker = await consumer({ address: queue })
    const sender = await client()
    const { send } = sender.bus()
    for (const n of [1, 2]) await send(queue, { n })
    const [first] = await worker.received.reach(2)

    await rabbitmqctl('set_vm_memory_high_watermark', '0.000001')
    // RabbitMQ tells a connection only when it publishes; what it had not confirmed by then is refused as well.
    const asked = performance.now()
    await t.rejects(send(queue, { n: 3 }), BrokerBlockedError)
    t.ok(performance.now() - asked < 1_000)
    t.equal(sender.state.status, 'blocked')
    await t.rejects(send(queue, { n: 4 }), BrokerBlockedError)

    first?.ack()
    t.equal(worker.state.status, 'ready', 'consuming goes on, over a connection that does not publish')

    await rabbitmqctl('set_vm_memory_high_watermark', '0.8')
    await until(() => sender.state.status === 'ready', { what: 'the alarm to clear' })
    t.ok(await send(queue, { n: 5 }))
  })

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
