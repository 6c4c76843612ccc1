import { once } from 'node:events'
import amqp from 'amqplib'
import t from 'tap'
import { createAlarms, watchMemory } from '../../supervisor/broker/alarms.ts'
import { startBroker } from '../../supervisor/broker/start.ts'
import { until } from '../helpers/until.ts'

t.test('publishers wait while there is any reason', async (t) => {
  const reasons: (string | undefined)[] = []
  const alarms = createAlarms((reason) => void reasons.push(reason))
  alarms.set('disk', 'no space')
  alarms.set('memory', 'much held')
  alarms.set('disk', undefined)
  t.equal(alarms.reason, 'much held')
  alarms.set('memory', undefined)
  alarms.set('disk', undefined)
  t.same(reasons, ['no space', 'much held', undefined])
})

t.test('much memory is an alarm until it is a fifth less', async (t) => {
  let held = 99
  const alarms = createAlarms(() => {})
  const watch = watchMemory({ limit: 100, held: () => held, alarms, onFault: (error) => t.fail(String(error)) })
  t.teardown(watch.stop)
  watch.check()
  t.equal(alarms.reason, undefined)
  held = 100
  watch.check()
  t.match(alarms.reason, /^low on memory/)
  held = 79
  await until(() => alarms.reason === undefined, { what: 'the end of the alarm' })
  held = 100
  watch.check()
  t.match(alarms.reason, /^low on memory/)
})

t.test('a publisher is blocked for memory, and goes on when it is consumed', async (t) => {
  const broker = await startBroker({ limits: { memoryMax: 2_000_000 } })
  t.teardown(() => broker.close())
  const connection = await amqp.connect(broker.url)
  const consumes = await amqp.connect(broker.url)
  t.teardown(() => Promise.all([connection.close(), consumes.close()]))
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('q', { durable: true })

  const blocked = once(connection, 'blocked') as Promise<[string]>
  // Not persistent: nothing brings them to the disk.
  const send = () => channel.publish('', 'q', Buffer.alloc(50_000), { persistent: false })
  for (let i = 0; i < 100; i++) send()
  const [reason] = await blocked
  t.match(reason, /^low on memory/)

  const unblocked = once(connection, 'unblocked')
  const reader = await consumes.createChannel()
  let received = 0
  const all = new Promise<void>((resolve) => {
    void reader.consume('q', () => ++received === 100 && resolve(), { noAck: true })
  })
  await unblocked
  await all
  await channel.waitForConfirms()
})
