// Transactions of publications and acknowledgements on one channel, as RabbitMQ 4.3 answers: measured there.
import t, { type Test } from 'tap'
import { createTransaction } from '../../../supervisor/broker/protocol/transaction.ts'
import { type Broker, startBroker } from '../../../supervisor/broker/start.ts'
import { startEmbedded } from '../../helpers/embedded.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { openWire, type Wire } from '../differential/wire.ts'

const BYE = { replyCode: 200, replyText: '', classId: 0, methodId: 0 }

t.test('what is refused', async (t) => {
  const { wire } = await prepared(t)
  const not = 'PRECONDITION_FAILED - channel is not transactional'
  const cases: [methods: string[], replyText: string][] = [
    [['TxCommit'], not],
    [['TxRollback'], not],
    [['TxSelect', 'TxSelect', 'ConfirmSelect'], 'PRECONDITION_FAILED - cannot switch from tx to confirm mode'],
    [['ConfirmSelect', 'ConfirmSelect', 'TxSelect'], 'PRECONDITION_FAILED - cannot switch from confirm to tx mode'],
  ]
  for (const [methods, replyText] of cases) {
    const answers = []
    for (const name of methods) answers.push(await wire.request(name, 1))
    t.match(answers.pop(), { name: 'ChannelClose', fields: { replyCode: 406, replyText } }, methods.join(', '))
    for (const { name } of answers) t.match(name, /SelectOk$/)
    await wire.request('ChannelOpen', 1)
  }
})

t.test('publications take effect with the commit', async (t) => {
  const { wire, count } = await prepared(t)
  await wire.request('QueueDeclare', 1, { queue: 'q', durable: true })
  await wire.request('TxSelect', 1)
  for (const deliveryMode of [1, 2]) wire.publish(1, { routingKey: 'q' }, { deliveryMode }, Buffer.from('kept'))
  wire.publish(1, { routingKey: 'nowhere', mandatory: true }, {}, Buffer.from('returned'))
  t.equal(await count('q'), 0, 'nothing before it')
  wire.arrivals.length = 0
  t.match(await wire.request('TxCommit', 1), { name: 'TxCommitOk' })
  t.match(wire.arrivals, [{ name: 'BasicReturn', body: Buffer.from('returned') }, { name: 'TxCommitOk' }])
  t.equal(await count('q'), 2)

  wire.publish(1, { routingKey: 'q' })
  t.match(await wire.request('TxRollback', 1), { name: 'TxRollbackOk' })
  await wire.request('TxCommit', 1)
  t.equal(await count('q'), 2, 'what was rolled back is gone')
  wire.publish(1, { routingKey: 'q' })
  await wire.request('ChannelClose', 1, BYE)
  t.equal(await count('q'), 2, 'and so is what was not committed when the channel closed')
})

t.test('a publication that is a mistake ends the channel at once, one that a queue refuses the commit', async (t) => {
  const { wire, count } = await prepared(t)
  await wire.request('TxSelect', 1)
  wire.publish(1, { exchange: 'nope' })
  t.match(await closed(wire), { replyCode: 404, replyText: "NOT_FOUND - no exchange 'nope' in vhost '/'" })

  await wire.request('ChannelOpen', 1)
  await wire.request('QueueDeclare', 1, {
    queue: 'one',
    arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
  })
  await wire.request('QueueDeclare', 1, { queue: 'many' })
  await wire.request('TxSelect', 1)
  for (const routingKey of ['one', 'one', 'many']) wire.publish(1, { routingKey })
  wire.send('TxCommit', 1)
  t.match(await closed(wire), { replyText: 'PRECONDITION_FAILED - partial tx completion', classId: 90, methodId: 20 })
  t.same([await count('one'), await count('many')], [1, 1], 'the others took theirs')
})

t.test('acknowledgements take effect with the commit', async (t) => {
  const { wire, broker, count } = await prepared(t)
  const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }
  await wire.request('QueueDeclare', 1, { queue: 'q', arguments: dead })
  await wire.request('QueueDeclare', 1, { queue: 'dead' })
  for (let i = 0; i < 6; i++) wire.publish(1, { routingKey: 'q' }, {}, Buffer.from(`${i}`))
  await wire.request('TxSelect', 1)
  for (let i = 0; i < 6; i++) await wire.request('BasicGet', 1, { queue: 'q' })

  function settle(): void {
    wire.send('BasicAck', 1, { deliveryTag: 2, multiple: true })
    wire.send('BasicNack', 1, { deliveryTag: 4, requeue: false })
    wire.send('BasicReject', 1, { deliveryTag: 3, requeue: true })
  }
  settle()
  await wire.request('TxRollback', 1)
  t.same([await count('q'), await count('dead')], [0, 0], 'rolled back: they stay with the client')
  settle()
  t.same([await count('q'), await count('dead')], [0, 0], 'and can be settled again, with the same tags')
  await wire.request('TxCommit', 1)
  t.same([await count('q'), await count('dead')], [1, 1], 'committed')

  wire.send('BasicAck', 1, { deliveryTag: 5 })
  wire.send('BasicAck', 1, { deliveryTag: 5 })
  t.match(await closed(wire), { replyText: 'PRECONDITION_FAILED - unknown delivery tag 5' }, 'twice is a mistake')
  t.equal(await count('q'), 3, 'what was not committed is back')

  const other = await opened(t, broker)
  await other.request('TxSelect', 1)
  await other.request('BasicGet', 1, { queue: 'q' })
  await other.request('BasicGet', 1, { queue: 'q' })
  other.send('BasicAck', 1, { deliveryTag: 1 })
  await other.request('BasicRecover', 1, { requeue: true })
  t.equal(await count('q'), 2, 'recover leaves what the transaction has')
  await other.request('TxCommit', 1)
  t.equal(await count('q'), 2)
})

t.test('more than one commit of the store has takes effect with the commit as well', async (t) => {
  const { wire, count } = await prepared(t)
  const [QUEUES, MESSAGES] = [500, 60]
  for (let i = 0; i < QUEUES; i++) {
    wire.send('QueueDeclare', 1, { queue: `${i}`, nowait: true })
    wire.send('QueueBind', 1, { queue: `${i}`, exchange: 'amq.fanout', nowait: true })
  }
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  for (const body of ['a', 'b', 'c']) wire.publish(1, { routingKey: 'q' }, {}, Buffer.from(body))
  await wire.request('TxSelect', 1)
  for (let i = 0; i < 3; i++) await wire.request('BasicGet', 1, { queue: 'q' })
  wire.send('BasicAck', 1, { deliveryTag: 2 })
  wire.send('BasicNack', 1, { deliveryTag: 3, requeue: true })
  for (let i = 0; i < MESSAGES; i++) wire.publish(1, { exchange: 'amq.fanout' })
  t.match(await wire.request('TxCommit', 1), { name: 'TxCommitOk' })
  t.equal(await count('q'), 1)
  for (const queue of ['0', `${QUEUES - 1}`]) t.equal(await count(queue), MESSAGES)

  await wire.request('QueueDeclare', 1, {
    queue: 'full',
    arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' },
  })
  await wire.request('QueueBind', 1, { queue: 'full', exchange: 'amq.fanout' })
  for (let i = 0; i < MESSAGES; i++) wire.publish(1, { exchange: 'amq.fanout' })
  wire.send('TxCommit', 1)
  t.match(await closed(wire), { replyText: 'PRECONDITION_FAILED - partial tx completion' })
  t.equal(await count('0'), 2 * MESSAGES)
  t.equal(await count('q'), 2, 'what was not settled is back')
})

t.test('a consumer has credit again after the commit', async (t) => {
  const { wire, count } = await prepared(t)
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  for (const body of ['a', 'b']) wire.publish(1, { routingKey: 'q' }, {}, Buffer.from(body))
  await wire.request('BasicQos', 1, { prefetchCount: 1 })
  await wire.request('TxSelect', 1)
  await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'c' })
  await delivered(wire, 'a')
  wire.send('BasicAck', 1, { deliveryTag: 1 })
  t.equal(await count('q'), 1, 'the second waits')
  wire.send('TxCommit', 1)
  t.ok(await delivered(wire, 'b'))
})

t.test('transactions have a largest size', (t) => {
  const memory = { bytes: 0 }
  const limits = { publications: 3, bytes: 10_000 }
  const one = createTransaction(memory, limits)
  const other = createTransaction(memory, limits)
  function* send() {
    yield
    return true
  }
  for (let i = 0; i < 3; i++) one.keep(100, send)
  t.throws(() => one.keep(100, send), {
    code: 406,
    message: /more than 3 publications can't be kept: commit sooner/,
  })
  other.keep(5_000, send)
  t.throws(() => other.keep(5_000, send), { code: 406, message: /more than 10000 bytes in all can't be kept/ })
  for (const _ of one.commit(() => {}));
  other.rollback()
  t.equal(memory.bytes, 0, 'what is committed or rolled back makes room')
  t.end()
})

t.test('what is committed outlives a kill, all of it', async (t) => {
  const broker = await startEmbedded(t)
  const wire = await openWire(broker.url)
  await wire.request('ChannelOpen', 1)
  for (const queue of ['from', 'a', 'b']) await wire.request('QueueDeclare', 1, { queue, durable: true })
  wire.publish(1, { routingKey: 'from' }, { deliveryMode: 2 })
  await wire.request('TxSelect', 1)
  await wire.request('BasicGet', 1, { queue: 'from' })
  for (const routingKey of ['a', 'b']) {
    for (let i = 0; i < 20; i++) wire.publish(1, { routingKey }, { deliveryMode: 2 }, Buffer.alloc(10_000, i))
  }
  wire.send('BasicAck', 1, { deliveryTag: 1 })
  await wire.request('TxCommit', 1)
  wire.publish(1, { routingKey: 'a' }, { deliveryMode: 2 })
  await broker.kill()
  wire.cut()
  await broker.start()

  const again = await openWire(broker.url)
  await again.request('ChannelOpen', 1)
  const counts = []
  for (const queue of ['from', 'a', 'b']) {
    const { fields } = await again.request('QueueDeclare', 1, { queue, passive: true })
    counts.push(fields.messageCount)
  }
  t.same(counts, [0, 20, 20])
  await again.close()
})

/** A broker, a connection with channel 1, and how many messages a queue has, asked on another connection. */
async function prepared(t: Test): Promise<{ broker: Broker; wire: Wire; count: (queue: string) => Promise<unknown> }> {
  const broker = await startBroker({ folder: temporaryFolder(t) })
  t.teardown(() => broker.close())
  const wire = await opened(t, broker)
  const other = await opened(t, broker)
  return {
    broker,
    wire,
    async count(queue) {
      // Whatever was sent before has been handled when this is answered: sent in order, on one connection after the other.
      await wire.request('ChannelOpen', 9)
      await wire.request('ChannelClose', 9, BYE)
      const { fields } = await other.request('QueueDeclare', 1, { queue, passive: true })
      return fields.messageCount
    },
  }
}

async function opened(t: Test, broker: Broker): Promise<Wire> {
  const wire = await openWire(broker.url)
  t.teardown(() => wire.close())
  await wire.request('ChannelOpen', 1)
  wire.arrivals.length = 0
  return wire
}

async function closed(wire: Wire): Promise<unknown> {
  const { fields } = await wire.arrival(({ name }) => name === 'ChannelClose')
  wire.arrivals.length = 0
  return fields
}

async function delivered(wire: Wire, body: string): Promise<boolean> {
  await wire.arrival((arrival) => arrival.name === 'BasicDeliver' && arrival.body?.toString() === body)
  return true
}
