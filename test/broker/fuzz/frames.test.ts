// Clients that send what no client should. WARREN_FUZZ is the number of frames; `npm run test:fuzz -- frames` sends a million.
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { connect } from 'amqplib'
import t from 'tap'
import { encodeHeader, FRAME_BODY, FRAME_END } from '../../../supervisor/amqp/frames.ts'
import { encodeMethod, type OutgoingMethod } from '../../../supervisor/amqp/methods.ts'
import { encodeProperties } from '../../../supervisor/amqp/properties.ts'
import { type Broker, startBroker } from '../../../supervisor/broker/start.ts'
import { collect } from '../../helpers/collect.ts'
import { randomFrom } from '../../helpers/random.ts'
import { until } from '../../helpers/until.ts'

const FRAMES = Number(process.env.WARREN_FUZZ ?? 5_000)
const SEED = Number(process.env.WARREN_SEED ?? Date.now() % 1_000_000)
/** Of one connection; most of them end earlier. */
const FRAMES_A_CONNECTION = 20
const CONNECTIONS_AT_ONCE = 16

/** Milliseconds; a million frames take minutes. */
const LIMIT = 60_000 + FRAMES * 2

const random = randomFrom(SEED)
const below = (end: number) => Math.floor(random() * end)

t.setTimeout(LIMIT)
t.test(`${FRAMES} mutated frames cost their connections alone`, { timeout: LIMIT }, async (t) => {
  t.comment(`WARREN_SEED=${SEED}`)
  const faults = collect<unknown>('faults')
  const log = { debug() {}, info() {}, warn() {}, error: (details: object) => faults.push(details) }
  const broker = await startBroker({ log })
  t.teardown(() => broker.close())
  const control = await connect(broker.url)
  t.teardown(() => control.close())
  const channel = await control.createConfirmChannel()
  await channel.assertQueue('control', { durable: true })
  // A frame that is not mutated much may well publish.
  await channel.assertQueue('target', { durable: false, exclusive: true, arguments: { 'x-max-length': 10 } })

  const frames = corpus()
  await attack(broker, frames, Math.min(FRAMES, 2_000))
  const before = heapUsed()
  const sent = await attack(broker, frames, FRAMES)
  t.ok(sent >= FRAMES, `${sent} frames were sent`)
  const grown = heapUsed() - before

  t.same(faults.items, [], 'what came was told as a mistake of the client, and no fault of the broker')
  channel.sendToQueue('control', Buffer.from('still here'), { persistent: true })
  await channel.waitForConfirms()
  const message = await channel.get('control', { noAck: true })
  t.match(message, { content: Buffer.from('still here') }, 'another connection works on')
  t.ok(grown < 16 * 1024 * 1024, `the heap has grown by ${Math.round(grown / 1024)} kB`)
})

t.test('silent, slow and unknown clients', async (t) => {
  const broker = await startBroker()
  t.teardown(() => broker.close())

  const slow = open(broker)
  const greeting = login(broker)
  const answers = collect<Buffer>('answers')
  slow.on('data', (chunk: Buffer) => answers.push(chunk))
  for (const byte of greeting) slow.write(Buffer.from([byte]))
  await until(() => Buffer.concat(answers.items).includes(Buffer.from([0, 10, 0, 41])), { what: 'connection.open-ok' })
  slow.destroy()

  const http = open(broker)
  http.write('GET / HTTP/1.1\r\n\r\n')
  const [answer] = (await once(http, 'data')) as [Buffer]
  t.same(answer, Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'), 'is told which protocol is spoken')
  await once(http, 'close')

  const other = await connect(broker.url)
  await other.close()
})

/** Sends so many frames, each mutated with a good chance, and resolves when all connections have ended. */
async function attack(broker: Broker, frames: readonly Buffer[], count: number): Promise<number> {
  let sent = 0
  async function attacker(): Promise<void> {
    while (sent < count) {
      const socket = open(broker)
      const parts = [login(broker)]
      for (let i = 0; i < FRAMES_A_CONNECTION; i++) {
        const frame = frames[below(frames.length)] as Buffer
        parts.push(random() < 0.7 ? mutate(frame) : frame)
      }
      sent += FRAMES_A_CONNECTION
      socket.resume()
      socket.end(random() < 0.1 ? mutate(Buffer.concat(parts)) : Buffer.concat(parts))
      await once(socket, 'close')
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, attacker))
  return sent
}

function open(broker: Broker): ReturnType<typeof connectTcp> {
  const socket = connectTcp(broker.port, '127.0.0.1')
  // It is the broker's right to reset it.
  socket.on('error', () => {})
  return socket
}

function login(broker: Broker): Buffer {
  const { username, password } = new URL(broker.url)
  return Buffer.concat([
    Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'),
    encodeMethod(0, {
      name: 'connection.start-ok',
      mechanism: 'PLAIN',
      response: `\0${username}\0${password}`,
      locale: 'en_US',
    }),
    encodeMethod(0, { name: 'connection.tune-ok', channelMax: 100, frameMax: 131_072, heartbeat: 60 }),
    encodeMethod(0, { name: 'connection.open', virtualHost: '/' }),
    encodeMethod(1, { name: 'channel.open' }),
  ])
}

function corpus(): Buffer[] {
  const temporary = { exclusive: true, autoDelete: true }
  const methods: OutgoingMethod[] = [
    { name: 'queue.declare', queue: '', ...temporary, arguments: { 'x-message-ttl': 1000, 'x-max-priority': 5 } },
    {
      name: 'queue.declare',
      queue: '',
      ...temporary,
      arguments: { 'x-dead-letter-exchange': 'amq.topic', n: { a: [1, 'x'] } },
    },
    { name: 'exchange.declare', exchange: 'fuzz', type: 'topic', autoDelete: true },
    { name: 'queue.bind', queue: '', exchange: 'amq.topic', routingKey: 'a.*.#' },
    { name: 'queue.bind', queue: '', exchange: 'amq.headers', arguments: { 'x-match': 'any', a: 1 } },
    { name: 'queue.unbind', queue: '', exchange: 'amq.topic', routingKey: 'a.*.#' },
    { name: 'exchange.bind', source: 'amq.topic', destination: 'amq.fanout', routingKey: 'x' },
    { name: 'exchange.unbind', source: 'amq.topic', destination: 'amq.fanout', routingKey: 'x' },
    { name: 'basic.qos', prefetchCount: 10 },
    { name: 'basic.consume', queue: '', consumerTag: 'c', arguments: { 'x-priority': 3 } },
    { name: 'basic.cancel', consumerTag: 'c' },
    { name: 'basic.get', queue: '' },
    { name: 'basic.ack', deliveryTag: 1, multiple: true },
    { name: 'basic.nack', deliveryTag: 0, multiple: true, requeue: true },
    { name: 'basic.recover', requeue: true },
    { name: 'confirm.select' },
    { name: 'queue.purge', queue: '' },
    { name: 'queue.delete', queue: '' },
    { name: 'channel.open' },
    { name: 'channel.close', replyCode: 200, replyText: 'bye' },
    { name: 'channel.close-ok' },
    { name: 'channel.flow', active: true },
    { name: 'connection.update-secret', newSecret: 'x', reason: 'y' },
  ]
  const properties = encodeProperties({
    contentType: 'application/json',
    headers: { a: 1, CC: ['target'], nested: { deep: { deeper: [true, null, 1.5] } } },
    deliveryMode: 1,
    priority: 3,
    expiration: '1000',
    messageId: 'm',
  })
  const body = Buffer.from([FRAME_BODY, 0, 1, 0, 0, 0, 4, 1, 2, 3, 4, FRAME_END])
  const publish = encodeMethod(1, {
    name: 'basic.publish',
    exchange: 'amq.topic',
    routingKey: 'a.b.c',
    mandatory: true,
  })
  const header = encodeHeader(1, 4, properties)
  return [
    ...methods.map((method) => encodeMethod(1, method)),
    Buffer.concat([publish, header, body]),
    publish,
    header,
    body,
  ]
}

function mutate(frame: Buffer): Buffer {
  const copy = Buffer.from(frame)
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(copy.length)
    switch (below(6)) {
      case 0:
        copy[at] = below(256)
        break
      case 1:
        copy[at] = (copy[at] as number) ^ (1 << below(8))
        break
      case 2:
        return copy.subarray(0, at)
      case 3:
        return Buffer.concat([copy.subarray(0, at), copy])
      case 4:
        copy.writeUInt32BE(below(2 ** 32), Math.min(at, Math.max(copy.length - 4, 0)))
        break
      default:
        // Its inside is broken, its frame is not.
        if (copy.length > 8) copy[7 + below(copy.length - 8)] = below(256)
    }
  }
  return copy
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
