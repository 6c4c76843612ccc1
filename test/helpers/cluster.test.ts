import { connect } from 'amqplib'
import t from 'tap'
import { noCluster, startCluster } from './cluster.ts'
import { until } from './until.ts'

t.setTimeout(600_000)

t.test('a cluster of three', { skip: noCluster }, async (t) => {
  const began = performance.now()
  const cluster = await startCluster(t)
  t.comment(`${cluster.name} took ${Math.round(performance.now() - began)} ms to start`)
  const [first, second] = cluster.nodes
  const connection = await connect(second?.url as string)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('replicated', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  channel.sendToQueue('replicated', Buffer.from('1'))
  await channel.waitForConfirms()
  t.same(await cluster.replicas(), { replicated: { members: 3, online: 3 } })
  t.same(await cluster.connections(), [0, 1, 0])

  await first?.kill()
  const online = async (count: number) => (await cluster.replicas()).replicated?.online === count
  await until(() => online(2), { what: 'the others to notice' })
  await until(() => channel.get('replicated', { noAck: true }), { what: 'the message that was there' })
  await first?.start()
  await until(() => online(3), { what: 'the node to be back', timeout: 30_000 })
  await connection.close()
})
