// In which order the broker answers, and what it does with what crosses its answers: measured on RabbitMQ 4.3.
import { connect as connectSocket } from 'node:net'
import t, { type Test } from 'tap'
import { type Broker, startBroker } from '../../../supervisor/broker/start.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { commitsOf } from '../commits.ts'
import { encodeMethod, type Fields } from '../differential/amqplib-codec.ts'
import { openWire, type Wire } from '../differential/wire.ts'
import { openSession } from '../session.ts'

const NOTIFIED = { capabilities: { consumer_cancel_notify: true } }
const BYE = { replyCode: 200, replyText: '', classId: 0, methodId: 0 }

type Sent = [name: string, channel: number, fields?: Fields]

t.test('a channel.close that crosses the broker’s own leaves the connection alone', async (t) => {
  const { wire } = await prepared(t)
  // The wire answers the broker's close when it sees it, as clients do.
  write(wire, ['QueueDeclare', 1, { queue: 'amq.reserved' }], ['ChannelClose', 1, BYE])
  await wire.arrival(({ name }) => name === 'ChannelCloseOk')
  t.same(names(wire), ['ChannelClose', 'ChannelCloseOk'])
  // From another thread, it may even come behind the answer.
  t.match(await wire.request('ChannelClose', 1, BYE), { name: 'ChannelCloseOk' })
  t.match(await wire.request('ChannelOpen', 1), { name: 'ChannelOpenOk' }, 'the number is free again')
  t.match(await wire.request('ChannelOpen', 3), { name: 'ChannelOpenOk' }, 'and so is the connection')
})

t.test('a channel.open before the broker’s channel.close is answered ends the connection', async (t) => {
  const { wire } = await prepared(t)
  write(wire, ['QueueDeclare', 1, { queue: 'amq.reserved' }], ['ChannelOpen', 1])
  const { fields } = await wire.arrival(({ name }) => name === 'ConnectionClose')
  t.match(fields, { replyCode: 504, replyText: "CHANNEL_ERROR - second 'channel.open' seen" })
})

t.test('a connection.close that crosses the broker’s own is answered', async (t) => {
  const { wire } = await prepared(t)
  write(wire, ['ChannelOpen', 1], ['ConnectionClose', 0, BYE])
  await wire.arrival(({ name }) => name === 'SocketClose')
  t.same(names(wire), ['ConnectionClose', 'ConnectionCloseOk', 'SocketClose'])
})

t.test('delete-ok comes before the cancellation that the deletion causes', async (t) => {
  for (const durable of [true, false]) {
    const { wire } = await prepared(t)
    await wire.request('QueueDeclare', 1, { queue: 'q', durable })
    await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'c' })
    wire.arrivals.length = 0
    wire.send('QueueDelete', 1, { queue: 'q' })
    await wire.arrival(({ name }) => name === 'BasicCancel')
    t.same(names(wire), ['QueueDeleteOk', 'BasicCancel'], durable ? 'durable' : 'transient')
  }
})

t.test('recover-ok comes before what is delivered anew', async (t) => {
  const { wire } = await prepared(t)
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  wire.publish(1, { routingKey: 'q' })
  await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'c' })
  await wire.arrival(({ name }) => name === 'BasicDeliver')
  wire.arrivals.length = 0
  wire.send('BasicRecover', 1, { requeue: true })
  await wire.arrival(({ name }) => name === 'BasicDeliver')
  t.same(names(wire), ['BasicRecoverOk', 'BasicDeliver'])
})

t.test('close-ok says that everything of the connection has been given back, its socket open or not', async (t) => {
  const { wire, broker } = await prepared(t)
  await wire.request('QueueDeclare', 1, { queue: 'own', exclusive: true })
  await wire.request('QueueDeclare', 1, { queue: 'shared', arguments: { 'x-single-active-consumer': true } })
  wire.publish(1, { routingKey: 'shared' })
  await wire.request('BasicConsume', 1, { queue: 'shared', consumerTag: 'first' })
  await wire.arrival(({ name }) => name === 'BasicDeliver')
  const other = await opened(t, broker)
  await other.request('BasicConsume', 1, { queue: 'shared', consumerTag: 'second' })

  t.match(await wire.request('ConnectionClose', 0, BYE), { name: 'ConnectionCloseOk' })
  t.match(await other.request('QueueDeclare', 1, { queue: 'own' }), { name: 'QueueDeclareOk' }, 'the exclusive queue')
  const { fields } = await other.arrival(({ name }) => name === 'BasicDeliver')
  t.match(fields, { consumerTag: 'second', redelivered: true }, 'the next single active consumer has the message')
  wire.cut()
})

t.test('close-ok comes after the answers that wait for the disk', async (t) => {
  const { wire } = await prepared(t)
  write(wire, ['QueueDeclare', 1, { queue: 'q', durable: true }], ['ConnectionClose', 0, BYE])
  await wire.arrival(({ name }) => name === 'ConnectionCloseOk')
  t.same(names(wire), ['QueueDeclareOk', 'ConnectionCloseOk'])
  wire.cut()
})

t.test('a client that goes on sending can read close-ok', async (t) => {
  const broker = await started(t)
  for (const [what, behind] of [
    ['another close', encodeMethod('ConnectionClose', 0, BYE)],
    ['what is no frame', Buffer.alloc(100_000)],
    ['what is no method', encodeMethod('ChannelOpen', 1, {}).fill(0x7f, 7, 11)],
  ] as const) {
    const { hostname, port } = new URL(broker.url)
    // A wire's handshake, on a socket whose errors are seen.
    const socket = connectSocket({ host: hostname, port: Number(port) })
    const { username, password } = new URL(broker.url)
    socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
    const response = Buffer.from(`\0${username}\0${decodeURIComponent(password)}`)
    socket.write(encodeMethod('ConnectionStartOk', 0, { clientProperties: {}, mechanism: 'PLAIN', response }))
    socket.write(encodeMethod('ConnectionTuneOk', 0, { channelMax: 0, frameMax: 0, heartbeat: 0 }))
    socket.write(encodeMethod('ConnectionOpen', 0, { virtualHost: '/', capabilities: '', insist: false }))
    socket.write(Buffer.concat([encodeMethod('ConnectionClose', 0, BYE), behind]))
    const closeOk = encodeMethod('ConnectionCloseOk', 0, {})
    let received: Buffer = Buffer.alloc(0)
    let left = 3
    const how = await new Promise<unknown>((resolve) => {
      socket.on('error', resolve)
      socket.on('end', () => resolve('the broker ended it'))
      socket.on('close', () => resolve('the client ended it'))
      socket.on('data', function take(chunk) {
        received = Buffer.concat([received, chunk])
        if (received.includes(closeOk)) goOn()
      })

      // It goes on even now, as a client with several threads may.
      function goOn(): void {
        if (left-- === 0) return void socket.destroy()
        socket.write(behind, () => setImmediate(goOn))
      }
    })
    t.equal(how, 'the client ended it', what)
    t.equal(received.indexOf(closeOk), received.length - closeOk.length, `${what}: close-ok is the last, once`)
  }
})

t.test('while an answer waits for the disk, acknowledgements and other channels go on', async (t) => {
  const { wire } = await prepared(t)
  await wire.request('ChannelOpen', 2)
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  wire.publish(1, { routingKey: 'q' })
  await wire.request('BasicGet', 1, { queue: 'q' })
  await wire.arrival(({ name }) => name === 'BasicGetOk')
  wire.arrivals.length = 0
  write(
    wire,
    ['QueueDeclare', 1, { queue: 'durable', durable: true }],
    ['BasicNack', 1, { deliveryTag: 1, requeue: true }],
    ['BasicGet', 1, { queue: 'nothing' }],
    ['BasicGet', 2, { queue: 'q' }],
  )
  await wire.arrival(({ name }) => name === 'ChannelClose')
  const order = wire.arrivals.map(({ name, channel }) => `${name} ${channel}`)
  t.same(order, ['BasicGetOk 2', 'QueueDeclareOk 1', 'ChannelClose 1'], 'each channel keeps its own order')
})

t.test('declarations that are sent together share a commit', async (t) => {
  const folder = temporaryFolder(t)
  const { wire } = await openSession(t, folder)
  const COUNT = 60
  const declare = (name: string): Sent => ['QueueDeclare', 1, { queue: name, durable: true }]
  const oneByOne = await commitsOf(folder, async () => {
    for (let i = 0; i < COUNT; i++) await wire.request(...declare(`one-${i}`))
  })
  wire.arrivals.length = 0
  const together = await commitsOf(folder, async () => {
    write(wire, ...Array.from({ length: COUNT }, (_, i) => declare(`together-${i}`)))
    await wire.arrival(({ fields }) => fields.queue === `together-${COUNT - 1}`)
  })
  t.same(
    wire.arrivals.map(({ fields }) => fields.queue),
    Array.from({ length: COUNT }, (_, i) => `together-${i}`),
    'answered in order',
  )
  t.ok(oneByOne >= COUNT, `one by one: ${oneByOne} commits`)
  t.ok(together < oneByOne / 4, `together: ${together}`)
})

t.test('more answers than are kept waiting are all given', async (t) => {
  const { wire } = await prepared(t)
  const COUNT = 1_500
  await wire.request('QueueDeclare', 1, { queue: 'q', durable: true })
  wire.arrivals.length = 0
  write(
    wire,
    ...Array.from({ length: COUNT }, (_, i): Sent => {
      return ['QueueBind', 1, { queue: 'q', exchange: 'amq.topic', routingKey: `${i}` }]
    }),
    ['QueueDeclare', 1, { queue: 'q', passive: true }],
  )
  await wire.arrival(({ name }) => name === 'QueueDeclareOk')
  t.equal(names(wire).filter((name) => name === 'QueueBindOk').length, COUNT)
})

t.test('what is sent behind a message for many queues comes behind it', async (t) => {
  const { wire } = await prepared(t)
  const QUEUES = 3_000
  const last = `${QUEUES - 1}`
  for (let i = 0; i < QUEUES; i++) {
    wire.send('QueueDeclare', 1, { queue: `${i}`, nowait: true })
    wire.send('QueueBind', 1, { queue: `${i}`, exchange: 'amq.fanout', nowait: true })
  }
  await wire.request('ConfirmSelect', 1)
  await wire.request('ChannelOpen', 2)
  wire.arrivals.length = 0
  wire.publish(1, { exchange: 'amq.fanout' }, {}, Buffer.from('to all'))
  wire.publish(1, { routingKey: last }, {}, Buffer.from('to one'))
  wire.publish(2, { routingKey: last }, {}, Buffer.from('on another channel'))
  await wire.request('QueueDeclare', 1, { queue: last, passive: true })
  for (const expected of ['to all', 'to one', 'on another channel']) {
    const { body } = await wire.request('BasicGet', 1, { queue: last, noAck: true })
    t.equal(body?.toString(), expected)
  }
})

t.test('line breaks in names are taken out where RabbitMQ does', async (t) => {
  const { wire } = await prepared(t)
  const [queue, exchange] = ['a\r\nb', 'x\n\ry']
  t.match(await wire.request('QueueDeclare', 1, { queue, durable: true }), { fields: { queue: 'ab' } })
  t.match(await wire.request('QueueDeclare', 1, { queue, passive: true }), { fields: { queue: 'ab' } })
  for (const sent of [
    ['ExchangeDeclare', 1, { exchange, type: 'direct' }],
    ['ExchangeBind', 1, { destination: exchange, source: 'amq.\ntopic', routingKey: 'k' }],
    ['QueueBind', 1, { queue, exchange, routingKey: 'k\n' }],
  ] as Sent[]) {
    t.match(await wire.request(...sent), { name: `${sent[0]}Ok` })
  }
  wire.publish(1, { exchange: 'xy', routingKey: 'k\n' })
  t.match(await wire.request('QueueDeclare', 1, { queue: 'ab', passive: true }), { fields: { messageCount: 1 } })
  for (const sent of [
    ['QueueUnbind', 1, { queue, exchange, routingKey: 'k\n' }],
    ['ExchangeUnbind', 1, { destination: exchange, source: 'amq.\ntopic', routingKey: 'k' }],
    ['ExchangeDelete', 1, { exchange }],
  ] as Sent[]) {
    t.match(await wire.request(...sent), { name: `${sent[0]}Ok` })
  }
  t.match(await wire.request('QueueDelete', 1, { queue }), { fields: { messageCount: 1 } })
  await wire.request('QueueDeclare', 1, { queue: 'ab' })
  for (const name of ['BasicGet', 'BasicConsume', 'QueuePurge']) {
    const { fields } = await wire.request(name, 1, { queue })
    t.match(fields, { replyText: "NOT_FOUND - no queue 'a\r\nb' in vhost '/'" }, `${name} keeps them`)
    await wire.request('ChannelOpen', 1)
  }
})

t.test('the header of AMQP 0-9 is taken as well', async (t) => {
  const broker = await started(t)
  const { hostname, port } = new URL(broker.url)
  for (const [header, expected] of [
    ['AMQP\x01\x01\x00\x09', '01000000'],
    ['AMQP\x00\x00\x09\x01', '01000000'],
    ['AMQP\x01\x01\x08\x00', '414d515000000901'],
    ['HTTP/1.1', '414d515000000901'],
  ] as const) {
    const socket = connectSocket({ host: hostname, port: Number(port) })
    socket.write(Buffer.from(header, 'latin1'))
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    t.equal(answer.toString('hex').slice(0, expected.length), expected, JSON.stringify(header))
    socket.destroy()
  }
})

async function started(t: Test): Promise<Broker> {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  return broker
}

/** A broker and a connection to it, with channel 1. */
async function prepared(t: Test): Promise<{ broker: Broker; wire: Wire }> {
  const broker = await started(t)
  return { broker, wire: await opened(t, broker) }
}

async function opened(t: Test, broker: Broker): Promise<Wire> {
  const wire = await openWire(broker.url, NOTIFIED)
  t.teardown(() => wire.close())
  await wire.request('ChannelOpen', 1)
  wire.arrivals.length = 0
  return wire
}

/** Sends methods in one piece. */
function write(wire: Wire, ...sent: Sent[]): void {
  wire.raw(Buffer.concat(sent.map(([name, channel, fields = {}]) => encodeMethod(name, channel, fields))))
}

function names(wire: Wire): string[] {
  return wire.arrivals.map(({ name }) => name)
}
