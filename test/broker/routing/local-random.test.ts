import { connect } from 'amqplib'
import t from 'tap'
import { startBroker } from '../../../supervisor/broker/start.ts'

t.test('x-local-random sends each message to one queue by chance', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  const connection = await connect(broker.url)
  const channel = await connection.createConfirmChannel()
  await channel.assertExchange('any', 'x-local-random')
  for (const queue of ['a', 'b', 'gone']) {
    await channel.assertQueue(queue)
    await channel.bindQueue(queue, 'any', '')
  }
  await channel.deleteQueue('gone')
  for (let n = 0; n < 100; n++) channel.publish('any', `key ${n}`, Buffer.from(''))
  await channel.waitForConfirms()
  const [a = 0, b = 0] = await Promise.all(
    ['a', 'b'].map(async (queue) => (await channel.checkQueue(queue)).messageCount),
  )
  t.equal(a + b, 100)
  t.ok(Math.min(a, b) > 10, `both get some: ${a}, ${b}`)

  await channel.assertQueue('quorum', { arguments: { 'x-queue-type': 'quorum' } })
  const refused: [string, Promise<unknown>][] = [
    [
      "Non empty binding 'key' key not permitted",
      connection.createChannel().then((c) => failing(c.bindQueue('a', 'any', 'key'), c)),
    ],
    [
      'Queue type rabbit_quorum_queue not valid for this exchange type',
      connection.createChannel().then((c) => failing(c.bindQueue('quorum', 'any', ''), c)),
    ],
  ]
  for (const [reason, action] of refused) t.match(String(await action), reason)
  await connection.close()
})

function failing(
  action: Promise<unknown>,
  channel: { on(event: 'error', listener: () => void): unknown },
): Promise<unknown> {
  channel.on('error', () => undefined)
  return action.catch((error: unknown) => error)
}
