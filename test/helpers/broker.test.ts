import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import t from 'tap'
import { assertNoConnections, noPrivateNode, noRabbitmq, testBroker } from './broker.ts'
import { runToEnd } from './process.ts'

const fixture = fileURLToPath(new URL('../fixtures/helpers/leaky.js', import.meta.url))
// Not tap's own variables: they make the child write as a part of this run.
const environment = { PATH: process.env.PATH, HOME: process.env.HOME }

t.test('a file has a vhost of its own, and open connections to it are found', { skip: noRabbitmq }, async (t) => {
  const [one, two] = [await testBroker(t), await testBroker(t)]
  if (!one.admin) return t.pass('the broker at TEST_AMQP_URL has one vhost for all')
  t.not(one.vhost, two.vhost)

  const connection = await connect(one.url)
  await t.rejects(assertNoConnections(one.admin, one.vhost, 0), /left 1 connections to the broker open: 127\.0\.0\.1:/)
  await assertNoConnections(one.admin, two.vhost, 0)
  await connection.close()
  await assertNoConnections(one.admin, one.vhost)
})

t.test('a file that leaves a connection open fails', { skip: noPrivateNode }, async (t) => {
  const { code, output } = await runToEnd(process.execPath, [fixture], {
    env: { ...environment, WARREN_SHARED_NODES: process.env.WARREN_SHARED_NODES },
  })
  t.match(output, /left 1 connections to the broker open/)
  t.not(code, 0)
})

t.test('without any RabbitMQ', async (t) => {
  const empty = { ...environment, PATH: '/nowhere' }

  await t.test(
    'a file runs on an embedded broker and says so, and one that leaves a connection open fails',
    async (t) => {
      const { code, output } = await runToEnd(process.execPath, [fixture], { env: empty })
      t.match(output, /^# There is no RabbitMQ here: this runs on the embedded broker alone\.$/m)
      t.match(output, /left 1 connections to the broker open/)
      t.not(code, 0)
    },
  )

  for (const variable of ['CI=true', 'WARREN_REQUIRE_RABBITMQ=1']) {
    await t.test(`a file fails where ${variable}`, async (t) => {
      const [name = '', value] = variable.split('=')
      const { code, output } = await runToEnd(process.execPath, [fixture], { env: { ...empty, [name]: value } })
      t.match(output, /neither is rabbitmq-server installed/)
      t.not(code, 0)
    })
  }
})
