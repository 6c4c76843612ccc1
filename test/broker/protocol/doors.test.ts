// Who comes to the door and does not belong there, or comes in too large a number.
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Broker, type BrokerOptions, startBroker } from '../../../supervisor/broker/start.ts'
import { until } from '../../helpers/until.ts'
import { openWire, type Wire } from '../differential/wire.ts'

const WRONG = { response: '\0warren\0guessed', timeout: 60_000 }
const GREETING = Buffer.from('AMQP\0\0\x09\x01', 'latin1')

t.test('each bad login is answered later than the one before, and a good one at once', async (t) => {
  const lines: object[] = []
  const log = { debug() {}, info() {}, error() {}, warn: (details: object) => void lines.push(details) }
  const broker = await started(t, { log })
  const took: number[] = []
  for (let n = 0; n < 4; n++) {
    const start = performance.now()
    await t.rejects(
      openWire(broker.url, WRONG),
      /ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/,
    )
    took.push(performance.now() - start)
  }
  // A timer may be early by one.
  for (const [n, least] of [99, 199, 399, 799].entries()) t.ok((took[n] as number) >= least, `${took[n]} ms`)
  t.equal(lines.length, 1, 'one line for all')

  // Three more, at once: their answers are to come after 1.6, 3 and 3 seconds.
  const answered: string[] = []
  const guesses = [1, 2, 3].map(() => openWire(broker.url, WRONG).catch(() => answered.push('bad')))
  const good = await opened(t, broker)
  answered.push('good')
  t.match(await good.request('ChannelOpen', 1), { name: 'ChannelOpenOk' })
  t.equal(answered[0], 'good')
  await broker.close()
  await Promise.all(guesses)
})

t.test('a connection too many is refused in words, and is let in when another has gone', async (t) => {
  const broker = await started(t, { limits: { connections: 2 } })
  const [first] = [await opened(t, broker), await opened(t, broker)]
  const refused = /NOT_ALLOWED - connection refused: node connection limit \(2\) is reached/
  await t.rejects(openWire(broker.url), refused)
  await first.close()
  await until(() => broker.connections === 1, { what: 'the first one to have gone' })
  await opened(t, broker)
  await t.rejects(openWire(broker.url), refused)
})

t.test('who does not log in makes room for who does', async (t) => {
  const broker = await started(t, { limits: { handshakes: 8 } })
  const idle: Socket[] = []
  let gone = 0
  for (let n = 0; n < 32; n++) {
    const socket = connectSocket(Number(new URL(broker.url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket
      .on('error', () => {})
      .on('close', () => gone++)
      .resume()
    if (n % 2) socket.write(GREETING.subarray(0, n % 9))
    await once(socket, 'connect')
    idle.push(socket)
  }
  await until(() => gone >= 24, { what: 'the first ones to be dropped' })
  const wire = await opened(t, broker)
  t.match(await wire.request('ChannelOpen', 1), { name: 'ChannelOpenOk' })
  t.ok(broker.connections <= 9, `${broker.connections} connections`)
})

t.test('who logs in byte by byte gets as long as everybody', async (t) => {
  const broker = await started(t, { limits: { handshakeTimeout: 300 } })
  const socket = connectSocket(Number(new URL(broker.url).port), '127.0.0.1')
  let sent = 0
  const trickle = setInterval(() => socket.write(GREETING.subarray(sent % 8, (sent++ % 8) + 1)), 20)
  t.teardown(() => clearInterval(trickle))
  socket.on('error', () => {}).resume()
  await new Promise((resolve) => socket.once('close', resolve))
  await until(() => broker.connections === 0, { what: 'it to be forgotten' })
})

t.test('before the login a frame is small', async (t) => {
  const broker = await started(t)
  const response = `\0warren\0${'x'.repeat(10_000)}`
  await t.rejects(openWire(broker.url, { ...WRONG, response }), /SocketClose|closed/)
})

t.test('a queue too many is refused, and none is forgotten for it', async (t) => {
  const broker = await started(t, { limits: { queues: 2 } })
  const wire = await opened(t, broker)
  await wire.request('ChannelOpen', 1)
  for (const queue of ['a', 'b', 'a'])
    t.match(await wire.request('QueueDeclare', 1, { queue }), { name: 'QueueDeclareOk' })
  const { fields } = await wire.request('QueueDeclare', 1, { queue: 'c' })
  t.match(fields, {
    replyCode: 406,
    replyText: "PRECONDITION_FAILED - cannot declare queue 'c': queue limit in vhost '/' (2) is reached",
  })
  await wire.request('ChannelOpen', 2)
  await wire.request('QueueDelete', 2, { queue: 'a' })
  t.match(await wire.request('QueueDeclare', 2, { queue: 'c' }), { name: 'QueueDeclareOk' })
})

t.test('a consumer too many is refused', async (t) => {
  const broker = await started(t, { limits: { consumers: 2 } })
  const wire = await opened(t, broker)
  await wire.request('ChannelOpen', 1)
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  for (const consumerTag of ['a', 'b']) await wire.request('BasicConsume', 1, { queue: 'q', consumerTag })
  await wire.request('BasicCancel', 1, { consumerTag: 'a' })
  t.match(await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'c' }), { name: 'BasicConsumeOk' })
  const { fields } = await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'd' })
  t.match(fields, { replyCode: 530, replyText: 'NOT_ALLOWED - reached maximum (2) of consumers per channel' })
})

t.test('clients that come and go in every way leave nothing', async (t) => {
  const broker = await started(t)
  const { port } = new URL(broker.url)
  for (let round = 0; round < 30; round++) {
    const sockets = [0, 3, 8].map((bytes) => {
      const socket = connectSocket(Number(port), '127.0.0.1', () => socket.write(GREETING.subarray(0, bytes)))
      return socket.on('error', () => {})
    })
    const wire = await openWire(broker.url)
    await wire.request('ChannelOpen', 1)
    await wire.request('QueueDeclare', 1, { queue: `own ${round}`, exclusive: true })
    for (const socket of sockets) round % 2 ? socket.destroy() : socket.end()
    if (round % 3) wire.cut()
    else await wire.close()
  }
  await until(() => broker.connections === 0, { what: 'all to be forgotten' })
  const wire = await opened(t, broker)
  await wire.request('ChannelOpen', 1)
  t.match(await wire.request('QueueDeclare', 1, { queue: 'own 1', passive: true }), { fields: { replyCode: 404 } })
})

async function started(t: Test, options: BrokerOptions = {}): Promise<Broker> {
  const broker = await startBroker(options)
  t.teardown(() => broker.close())
  return broker
}

async function opened(t: Test, broker: Broker): Promise<Wire> {
  const wire = await openWire(broker.url, { timeout: 60_000 })
  t.teardown(() => wire.cut())
  return wire
}
