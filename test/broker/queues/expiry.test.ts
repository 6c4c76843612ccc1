import { connect } from 'amqplib'
import t from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'
import { until } from '../../helpers/until.ts'
import { consumer, mostInOneTurn, startVhost } from '../vhost/helpers.ts'

const COUNT = Number(process.env.WARREN_SIZE ?? 4_000)

t.test('messages that expire together are sent on in slices', async (t) => {
  const { vhost, forward, declare, publish } = await startVhost(t, { turnMs: 1 })
  declare('dead')
  declare('source', { 'x-message-ttl': 60_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
  await publish('', 'source', COUNT)
  const [source, dead] = ['source', 'dead'].map((name) => vhost.queue(name, {}))
  if (!source || !dead) throw new Error('There is no queue')

  forward(61_000)
  const waiting = source.expire()
  t.ok(waiting, 'it has not done so yet')
  t.equal(source.get(true), undefined, 'what has expired is not handed out meanwhile')
  const most = await mostInOneTurn(() => dead.messageCount, COUNT)
  t.ok(most < COUNT / 4, `${most} of ${COUNT} in one turn at most`)
  await waiting
  t.equal(source.messageCount, 0)
})

t.test('a consumer gets what has not expired once the rest is out of its way', async (t) => {
  const { vhost, forward, declare, publish } = await startVhost(t, { turnMs: 1 })
  declare('source', { 'x-message-ttl': 60_000 })
  await publish('', 'source', 6_000)
  forward(61_000)
  await publish('', 'source', 1, 'fresh')
  const body = await new Promise<string>((resolve) => {
    vhost.queue('source', {}).addConsumer(consumer(({ message }) => resolve(message.body.toString())))
  })
  t.equal(body, 'fresh')
})

t.test('a clock that is set back holds nothing up', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const connection = await connect(broker.url)
  t.teardown(() => connection.close())
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('dead')
  await channel.assertQueue('source', {
    messageTtl: 300,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'dead',
  })
  await channel.assertQueue('unused', { expires: 300 })
  await channel.assertQueue('priced', { deadLetterExchange: '', deadLetterRoutingKey: 'dead' })
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })

  channel.sendToQueue('source', Buffer.from('before'))
  channel.sendToQueue('priced', Buffer.from('before'), { expiration: 300 })
  await channel.waitForConfirms()
  Date.now = () => now() - 3_600_000
  channel.sendToQueue('source', Buffer.from('after'))
  await channel.waitForConfirms()
  const arrived = async () => (await channel.checkQueue('dead')).messageCount === 3
  await until(arrived, { what: 'all of them to expire', timeout: 10_000 })
  const probe = await connection.createChannel()
  probe.on('error', () => {})
  await until(
    () =>
      probe.checkQueue('unused').then(
        () => false,
        () => true,
      ),
    { what: 'the unused queue to go', timeout: 10_000 },
  )
})
