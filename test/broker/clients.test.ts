// Other people's AMQP clients, each through a round trip: log in, declare, bind, publish with confirms, consume, ack; a
// body of several frames, headers, a message that comes back, a wrong password.
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type ConsumeMessage, connect } from 'amqplib'
import { type AsyncMessage, Connection } from 'rabbitmq-client'
import t from 'tap'
import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import { collect } from '../helpers/collect.ts'
import { run, runToEnd } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const LARGE = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => index % 251))
const BODIES = [Buffer.from('small'), Buffer.alloc(0), LARGE]
const HEADERS = { text: 'ä', number: -5, yes: true, nested: { list: [1, 'two', null] } }
const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } } as const

const FIXTURES = resolve(import.meta.dirname, '../../../test/fixtures/broker')
const PYTHON = '/usr/bin/python3'

t.test('amqplib', async (t) => {
  const broker = await started(t)
  const connection = await connect(broker.url)
  t.teardown(() => connection.close())
  const channel = await connection.createConfirmChannel()
  await channel.assertExchange('amqplib', 'topic')
  await channel.assertQueue('amqplib', QUORUM)
  await channel.bindQueue('amqplib', 'amqplib', 'a.*')
  const returned = once(channel, 'return')
  const options = { persistent: true, mandatory: true, messageId: 'm1', headers: HEADERS }
  for (const body of BODIES) channel.publish('amqplib', 'a.b', body, options)
  channel.publish('amqplib', 'elsewhere', Buffer.from('lost'), options)
  await channel.waitForConfirms()
  t.match(await returned, [{ fields: { replyCode: 312, replyText: 'NO_ROUTE' }, content: Buffer.from('lost') }])

  await channel.prefetch(10)
  const deliveries = collect<ConsumeMessage>('deliveries')
  const { consumerTag } = await channel.consume('amqplib', (message) => {
    if (!message) return
    deliveries.push(message)
    channel.ack(message)
  })
  const [first] = await deliveries.reach(BODIES.length)
  t.match(first, {
    fields: { routingKey: 'a.b', redelivered: false },
    properties: { messageId: 'm1', deliveryMode: 2, headers: HEADERS },
  })
  t.same(
    deliveries.items.map(({ content }) => content),
    BODIES,
    'bodies come whole and in order',
  )
  await channel.cancel(consumerTag)
  t.same(await channel.deleteQueue('amqplib'), { messageCount: 0 })
  await t.rejects(connect(withWrongPassword(broker)), /403/)
})

t.test('rabbitmq-client', async (t) => {
  const broker = await started(t)
  const connection = new Connection(broker.url)
  connection.on('error', (error) => t.fail('the connection failed', { error }))
  t.teardown(() => connection.unsafeDestroy())
  await connection.onConnect(10_000)
  const returns = collect<{ replyCode: number; body: unknown }>('returned messages')
  const publisher = connection.createPublisher({
    confirm: true,
    exchanges: [{ exchange: 'rc', type: 'topic', durable: true }],
    queues: [{ queue: 'rc', ...QUORUM }],
    queueBindings: [{ exchange: 'rc', queue: 'rc', routingKey: 'a.*' }],
  })
  publisher.on('basic.return', (message) => returns.push(message))
  const envelope = { exchange: 'rc', durable: true, mandatory: true, messageId: 'm1', headers: HEADERS }
  for (const body of BODIES) await publisher.send({ ...envelope, routingKey: 'a.b' }, body)
  await publisher.send({ ...envelope, routingKey: 'elsewhere' }, { lost: true })
  t.match(await returns.reach(1), [{ replyCode: 312, body: { lost: true } }], 'returned before it was confirmed')
  await publisher.close()

  const deliveries = collect<AsyncMessage>('deliveries')
  const consumer = connection.createConsumer(
    { queue: 'rc', queueOptions: QUORUM, qos: { prefetchCount: 10 } },
    (message) => {
      deliveries.push(message)
    },
  )
  consumer.on('error', (error) => t.fail('the consumer failed', { error }))
  const [first] = await deliveries.reach(BODIES.length)
  t.match(first, { routingKey: 'a.b', redelivered: false, durable: true, messageId: 'm1', headers: HEADERS })
  t.same(
    deliveries.items.map(({ body }) => body),
    BODIES,
    'bodies come whole and in order',
  )
  // It settles what it has before it closes its channel.
  await consumer.close()
  t.same(await connection.queueDelete('rc'), { messageCount: 0 })

  await connection.close()

  const stranger = new Connection({ url: withWrongPassword(broker), retryLow: 60_000 })
  const [error] = await once(stranger, 'error').catch((error) => [error])
  t.match(error, { code: 'ACCESS_REFUSED' })
  await stranger.close()
})

const noTools = existsSync('/usr/bin/amqp-publish') ? false : "Debian's amqp-tools are not installed"
t.test("Debian's amqp-tools, the C client's", { skip: noTools }, async (t) => {
  const { url, ...broker } = await started(t)
  const large = join(temporaryFolder(t), 'large')
  const succeed = async (command: string, ...args: string[]) => {
    const { code, output } = await runToEnd(command, args)
    t.equal(code, 0, `${command}: ${output}`)
    return output
  }
  t.equal((await succeed('amqp-declare-queue', '-u', url, '-d', '-q', 'tools')).trim(), 'tools')
  await succeed('amqp-publish', '-u', url, '-p', '-r', 'tools', '-H', 'a: 1', '-C', 'text/plain', '-b', 'small')
  await succeed(
    'sh',
    '-c',
    `head -c 300000 /dev/zero | tr '\\0' x >${large} && amqp-publish -u "$0" -p -r tools <${large}`,
    url,
  )
  t.equal(await succeed('amqp-get', '-u', url, '-q', 'tools'), 'small')
  const wait = ['-u', url, '-q', 'tools', '-c', '1', '--', 'sh', '-c', `cmp - ${large} && echo same`]
  t.equal((await succeed('amqp-consume', ...wait)).trim(), 'same', 'a body of several frames')

  const consumer = run('amqp-consume', ['-u', url, '-e', 'amq.topic', '-r', 'a.*', '-x', '-c', '1', 'cat'])
  t.teardown(() => consumer.end())
  await consumer.outputs(/Server provided queue name: amq\.gen-/)
  await succeed('amqp-publish', '-u', url, '-e', 'amq.topic', '-r', 'a.b', '-b', 'bound')
  await consumer.outputs(/bound/)
  t.same(await consumer.exited, { code: 0, signal: null })

  const { code } = await runToEnd('amqp-get', ['-u', url, '-q', 'tools'])
  t.equal(code, 2, 'nothing is left')
  const refused = await runToEnd('amqp-get', ['-u', withWrongPassword({ url, ...broker }), '-q', 'tools'])
  t.match(refused, { code: 1, output: /403|ACCESS_REFUSED/ })
})

const hasPika = existsSync(PYTHON) && (await runToEnd(PYTHON, ['-c', 'import pika'])).code === 0
const noPika = hasPika ? false : `${PYTHON} has no pika; Debian has it as python3-pika`
t.test("Python's pika", { skip: noPika }, async (t) => {
  const broker = await started(t)
  const { code, stdout, stderr } = await runToEnd(PYTHON, [join(FIXTURES, 'round-trip.py'), broker.url])
  t.equal(code, 0, stderr)
  const delivery = { key: 'a.b', id: 'm1', headers: { text: 'ä', number: -5, yes: true } }
  t.match(JSON.parse(stdout), {
    deliveries: [5, 0, true].map((whole) => ({ ...delivery, whole })),
    returned: 312,
    left: 0,
    refused: /ACCESS_REFUSED/,
  })
})

async function started(t: { teardown(fn: () => unknown): void }): Promise<Broker> {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  return broker
}

function withWrongPassword({ url }: Pick<Broker, 'url'>): string {
  return Object.assign(new URL(url), { password: 'wrong' }).href
}
