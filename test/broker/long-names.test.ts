// Names and arguments of any length that a client can send are kept, as RabbitMQ keeps them.
import t from 'tap'
import { encodeProperties } from '../../supervisor/amqp/properties.ts'
import { startBroker } from '../../supervisor/broker/start.ts'
import { connectRaw } from '../helpers/raw-client.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

t.test('bindings with large arguments and names of control characters survive a restart', async (t) => {
  const folder = temporaryFolder(t)
  // JSON makes six characters of each.
  const name = '\u0001'.repeat(250)
  const exchange = `${name}.to`
  const args = (size: number) => ({ size, text: 'x'.repeat(size) })
  const sizes = [1_500, 2_000, 100_000]
  for (const start of [1, 2, 3]) {
    const broker = await startBroker({ folder, onBroken: (error) => t.fail(String(error)) })
    const client = await connectRaw(broker.url)
    if (start === 1) {
      await client.request({ name: 'exchange.declare', exchange, type: 'headers', durable: true })
      await client.request({ name: 'exchange.declare', exchange: name, type: 'topic', durable: true })
      await client.request({ name: 'queue.declare', queue: name, durable: true })
      await client.request({ name: 'queue.bind', queue: name, exchange: name, routingKey: name })
      for (const size of sizes)
        await client.request({ name: 'queue.bind', queue: name, exchange, arguments: args(size) })
    }
    client.publish({ exchange: name, routingKey: name, properties: encodeProperties({ deliveryMode: 2 }) })
    for (const size of sizes) {
      const properties = encodeProperties({ headers: args(size), deliveryMode: 2 })
      client.publish({ exchange, routingKey: '', properties })
    }
    const { args: purged } = await client.request({ name: 'queue.purge', queue: name })
    t.equal(purged.readUInt32BE(), start === 3 ? 3 : 4, `start ${start}`)
    if (start === 2) await client.request({ name: 'queue.unbind', queue: name, exchange, arguments: args(2_000) })
    client.end()
    await broker.close()
  }
})
