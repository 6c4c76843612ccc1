import { connect } from 'amqplib'
import t from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'

t.test('a channel that closes with messages on their way to the disk costs nobody the connection', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const connection = await connect(broker.url)
  // A confirm behind `channel.close-ok` would be a frame on an unknown channel.
  connection.on('error', (error) => t.fail('the connection failed', { error }))
  const other = await connection.createConfirmChannel()
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('durable')
  for (let i = 0; i < 100; i++) channel.sendToQueue('durable', Buffer.alloc(1_000), { persistent: true }, () => {})
  await channel.close()

  other.sendToQueue('durable', Buffer.from('last'), { persistent: true })
  await other.waitForConfirms()
  t.match(await other.checkQueue('durable'), { messageCount: 101 }, 'what was published before the end is kept')
  await connection.close()
})
