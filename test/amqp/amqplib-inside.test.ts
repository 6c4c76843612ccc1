import { readFileSync } from 'node:fs'
import { connect } from 'amqplib'
import t from 'tap'
import { insideOf, outletOf } from '../../supervisor/amqp/amqplib-inside.ts'
import { startBroker } from '../../supervisor/index.ts'
import { openWire } from '../../supervisor/messaging/wire/wire.ts'

t.test('the version of amqplib that its inside is known of is the only one', async (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  t.match(dependencies.amqplib, /^\d+\.\d+\.\d+$/)
})

t.test('where its inside is not as expected, its own API sends and reads', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const model = await connect(broker.url)
  t.teardown(() => model.close())
  const inside = insideOf(model)
  t.ok(inside, 'this version is as expected')
  const channel = await model.createConfirmChannel()
  t.ok(inside && outletOf(inside, channel as never))

  // As if a later version had renamed it.
  Object.defineProperty(model.connection, 'rest', { value: undefined, configurable: true })
  t.equal(insideOf(model), undefined)
  const wire = openWire(model)
  Object.defineProperty(model.connection, 'rest', { value: inside?.rest ?? Buffer.alloc(0), writable: true })
  t.equal(wire.mostProperties, 0)
  const { queue } = await channel.assertQueue('')
  const publication = { exchange: '', routingKey: queue, properties: { messageId: 'm', headers: { a: 1 } } }
  await new Promise<void>((resolve, reject) => {
    wire.publish(channel, publication, Buffer.alloc(20_000, 'x'), (error) => (error ? reject(error) : resolve()))
  })
  const got = await channel.get(queue, { noAck: true })
  t.match(got, { properties: { messageId: 'm', headers: { a: 1 } }, content: Buffer.alloc(20_000, 'x') })
})

t.test('a channel that is closed has no way out', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const model = await connect(broker.url)
  t.teardown(() => model.close())
  const inside = insideOf(model)
  const channel = await model.createChannel()
  await channel.close()
  const next = await model.createChannel()
  t.equal(inside && outletOf(inside, channel as never), undefined, 'although another one has its number')
  t.ok(inside && outletOf(inside, next as never))
})
