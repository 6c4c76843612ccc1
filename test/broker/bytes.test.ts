// What clients send as bytes comes out as the same bytes, whatever they are.
import t, { type Test } from 'tap'
import type { Table } from '../../supervisor/amqp/fields.ts'
import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import { randomFrom } from '../helpers/random.ts'
import { connectRaw, frame, type RawArrival, type RawClient, shortstr, shortstrAt } from '../helpers/raw-client.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const CORRELATION_ID = 0x0400
const HEADERS = 0x2000
const PERSISTENT = 0x1000
const REPLY_TO = 0x0200

const NOT_UTF8 = Buffer.alloc(120, 0xe9)

/** A field of each type that decoding and encoding again would change. */
const TYPED = Buffer.concat([
  field('short', 's', Buffer.of(0, 7)),
  field('ubyte', 'B', Buffer.of(200)),
  field('uint', 'i', Buffer.of(255, 0, 0, 7)),
  field('byte', 'b', Buffer.of(0x87)),
  field('ushort', 'u', Buffer.of(255, 7)),
  field('long', 'l', Buffer.of(0, 0, 0, 0, 0, 0, 0, 7)),
  field('bytes', 'x', Buffer.of(0, 0, 0, 2, 0xff, 0xfe)),
  field('text', 'S', Buffer.of(0, 0, 0, 2, 0xff, 0xfe)),
  field(Buffer.of(0xff, 0x80), 't', Buffer.of(2)),
  field('table', 'F', table(field('short', 's', Buffer.of(0, 7)))),
])

t.test('a dead letter has the bytes of the message, after a restart too', async (t) => {
  const { client, restart } = await startOn(t)
  const args = { 'x-dead-letter-exchange': 'amq.fanout', 'x-message-ttl': 30 }
  await declare(client, 'source', args)
  await declare(client, 'later', { ...args, 'x-message-ttl': 3_600_000 })
  await declare(client, 'dead')
  await client.request({ name: 'queue.bind', queue: 'dead', exchange: 'amq.fanout' })
  const properties = propertiesOf(HEADERS | PERSISTENT | CORRELATION_ID, table(TYPED), Buffer.of(2), shortstr(NOT_UTF8))
  await confirmed(client, { routingKey: 'source', properties, body: Buffer.from('body') })
  await confirmed(client, { routingKey: 'later', properties })

  const second = await restart()
  const letter = await arrived(second, 'dead')
  t.ok(letter.properties.includes(TYPED), 'headers')
  t.ok(letter.properties.includes(Buffer.concat([Buffer.of(2), shortstr(NOT_UTF8)])), 'correlation id')
  t.ok(letter.properties.includes('x-death'))
  t.equal(letter.body.toString(), 'body')
  t.ok((await arrived(second, 'later')).properties.equals(properties))
})

t.test('a reply has the bytes of its sender', async (t) => {
  const { client, broker } = await startOn(t)
  const server = await connectRaw(broker.url)
  t.teardown(server.end)
  await client.request({ name: 'queue.declare', queue: 'rpc' })
  await client.request({ name: 'basic.consume', queue: 'amq.rabbitmq.reply-to', noAck: true })
  const request = propertiesOf(
    HEADERS | CORRELATION_ID | REPLY_TO,
    table(TYPED),
    shortstr(NOT_UTF8),
    shortstr('amq.rabbitmq.reply-to'),
  )
  client.publish({ routingKey: 'rpc', properties: request })
  const { properties } = await arrived(server, 'rpc')
  const unchanged = request.length - shortstr('amq.rabbitmq.reply-to').length
  t.ok(properties.subarray(0, unchanged).equals(request.subarray(0, unchanged)))
  const replyTo = shortstrAt(properties, unchanged)
  const reply = propertiesOf(HEADERS | CORRELATION_ID, table(TYPED), shortstr(NOT_UTF8))
  server.publish({ routingKey: replyTo, properties: reply, body: Buffer.from('pong') })
  const answer = await client.next('basic.deliver')
  t.ok(answer.properties.equals(reply))
  t.equal(answer.body.toString(), 'pong')
})

t.test('routing keys are bytes, of messages and of dead letters', async (t) => {
  const { client, restart } = await startOn(t)
  const key = Buffer.from([0x6b, 0xff, 0xfe, 0xc3])
  await declare(client, 'all', {})
  await client.request({ name: 'queue.bind', queue: 'all', exchange: 'amq.fanout' })
  await confirmed(client, {
    exchange: 'amq.fanout',
    routingKey: key,
    properties: propertiesOf(PERSISTENT, Buffer.of(2)),
  })
  client.raw(
    declareWith('source', [
      field('x-dead-letter-exchange', 'S', long(Buffer.from('amq.fanout'))),
      field('x-dead-letter-routing-key', 'S', long(key)),
      field('x-message-ttl', 'I', Buffer.of(0, 0, 0, 20)),
    ]),
  )
  await client.next('queue.declare-ok')
  await confirmed(client, { routingKey: 'source', properties: propertiesOf(PERSISTENT, Buffer.of(2)) })

  const second = await restart()
  const keys = [await arrived(second, 'all'), await arrived(second, 'all')].map(keyOf)
  t.same(keys, [key, key])
  second.publish({ exchange: Buffer.of(0xff), routingKey: '' })
  await t.rejects(second.next('basic.ack'), /404 NOT_FOUND - no exchange/, 'a name that nothing has')
})

t.test('further routing keys are bytes', async (t) => {
  const { client } = await startOn(t)
  await declare(client, 'source', { 'x-dead-letter-exchange': 'amq.fanout', 'x-message-ttl': 20 })
  await declare(client, 'dead')
  await client.request({ name: 'queue.bind', queue: 'dead', exchange: 'amq.fanout' })
  const keys = [Buffer.of(0xff, 0x80), Buffer.alloc(300, 'k')]
  const list = Buffer.concat(keys.map((key) => Buffer.concat([Buffer.from('S'), long(key)])))
  const headers = table(field('CC', 'A', long(list)))
  client.publish({ routingKey: 'source', properties: propertiesOf(HEADERS, headers) })
  const { properties } = await arrived(client, 'dead')
  t.ok(properties.includes(list), 'as they came')
  const source = Buffer.concat([Buffer.from('S'), long(Buffer.from('source'))])
  t.ok(properties.includes(field('routing-keys', 'A', long(Buffer.concat([source, list])))), 'in x-death')
})

t.test('a dead letter with a routing key of its own goes by that alone', async (t) => {
  const { client, restart } = await startOn(t)
  const args = { 'x-dead-letter-exchange': 'amq.direct', 'x-message-ttl': 20 }
  // The message's own key once more: what is replaced can't be told by comparing.
  await declare(client, 'source', { ...args, 'x-dead-letter-routing-key': 'source' })
  await declare(client, 'second', { ...args, 'x-message-ttl': 500 })
  for (const queue of ['last', 'copies']) await declare(client, queue)
  const bind = (queue: string, routingKey: string) =>
    client.request({ name: 'queue.bind', queue, exchange: 'amq.direct', routingKey })
  await bind('second', 'source')
  await bind('last', 'source')
  await bind('copies', 'extra')
  const keys = field('CC', 'A', long(Buffer.concat([Buffer.from('S'), long(Buffer.from('extra'))])))
  const properties = propertiesOf(HEADERS | PERSISTENT, table(keys), Buffer.of(2))
  await confirmed(client, { routingKey: 'source', properties })

  const later = await restart()
  const letters = [await arrived(later, 'last'), await arrived(later, 'last')]
  t.ok(
    letters.every((letter) => letter.properties.includes(keys)),
    'the header stays, as in RabbitMQ 4.3',
  )
  t.equal(await later.get('copies'), undefined)
})

t.test('a routing key for dead letters that is none is refused', async (t) => {
  const { client } = await startOn(t)
  const args = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'k'.repeat(256) }
  const declared = client.request({ name: 'queue.declare', queue: 'q', arguments: args })
  await t.rejects(declared, /406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'q'.*255/)
})

async function startOn(t: Test): Promise<{ client: RawClient; broker: Broker; restart: () => Promise<RawClient> }> {
  const folder = temporaryFolder(t)
  const onBroken = (error: Error) => t.fail(String(error))
  let broker = await startBroker({ folder, onBroken })
  let client = await connectRaw(broker.url)
  t.teardown(() => {
    client.end()
    return broker.close()
  })
  return {
    client,
    broker,
    async restart() {
      client.end()
      await broker.close()
      broker = await startBroker({ folder, onBroken })
      client = await connectRaw(broker.url)
      return client
    },
  }
}

function declare(client: RawClient, queue: string, args: Table = {}): Promise<RawArrival> {
  return client.request({ name: 'queue.declare', queue, durable: true, arguments: args })
}

async function confirmed(client: RawClient, message: Parameters<RawClient['publish']>[0]): Promise<void> {
  client.publish(message)
  await client.next('basic.ack')
}

/** The next message of a queue, as soon as it is there. */
async function arrived(client: RawClient, queue: string): Promise<RawArrival> {
  await client.request({ name: 'basic.qos', prefetchCount: 1 })
  await client.request({ name: 'basic.consume', queue, consumerTag: queue })
  const arrival = await client.next('basic.deliver')
  client.send({ name: 'basic.ack', deliveryTag: Number(arrival.args.readBigUInt64BE(1 + queue.length)) })
  await client.request({ name: 'basic.cancel', consumerTag: queue })
  return arrival
}

/** The routing key of a basic.deliver. */
function keyOf({ args }: RawArrival): Buffer {
  const exchangeAt = 1 + (args[0] as number) + 9
  return shortstrAt(args, exchangeAt + 1 + (args[exchangeAt] as number))
}

function declareWith(queue: string, fields: Buffer[]): Buffer {
  const start = [Buffer.of(0, 50, 0, 10, 0, 0), shortstr(queue), Buffer.of(0b10)]
  return frame(1, 1, Buffer.concat([...start, table(Buffer.concat(fields))]))
}

function propertiesOf(flags: number, ...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(flags >> 8, flags & 0xff), ...parts])
}

function field(name: string | Buffer, type: string, value: Buffer): Buffer {
  return Buffer.concat([shortstr(name), Buffer.from(type), value])
}

function table(fields: Buffer): Buffer {
  return long(fields)
}

/** Bytes with their number in front, in 32 bits. */
function long(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

t.test('random bytes pass through publishing, dead-lettering, a restart and delivery', async (t) => {
  const { client, restart } = await startOn(t)
  await declare(client, 'source', { 'x-dead-letter-exchange': 'amq.fanout', 'x-message-ttl': 1 })
  await declare(client, 'dead')
  await client.request({ name: 'queue.bind', queue: 'dead', exchange: 'amq.fanout' })
  const numbers = randomFrom(Number(process.env.WARREN_SEED ?? 16))
  const bytes = (most: number) => Buffer.from(Array.from({ length: numbers() * most }, () => numbers() * 256))
  await client.request({ name: 'exchange.declare', exchange: 'all', type: 'fanout', durable: true })
  await client.request({ name: 'queue.bind', queue: 'source', exchange: 'all' })
  const sent = Array.from({ length: Number(process.env.WARREN_MESSAGES ?? 50) }, (_, number) => {
    const fields = [...'SxSx'].map((type, at) =>
      field(Buffer.concat([Buffer.of(at), bytes(200)]), type, long(bytes(400))),
    )
    const texts = Array.from({ length: 5 }, () => shortstr(bytes(250)))
    return { number, key: bytes(255), fields: Buffer.concat(fields), texts: Buffer.concat(texts), body: bytes(2_000) }
  })
  for (const { key, fields, texts, body } of sent) {
    // Correlation id, message id, type, application and cluster: all that nobody looks at.
    const flags = HEADERS | PERSISTENT | CORRELATION_ID | 0x0080 | 0x0020 | 0x0008 | 0x0004
    const properties = propertiesOf(flags, table(fields), Buffer.of(2), texts)
    await confirmed(client, { exchange: 'all', routingKey: key, properties, body })
  }
  const second = await restart()
  for (const { number, key, fields, texts, body } of sent) {
    const letter = await arrived(second, 'dead')
    const isSame = letter.body.equals(body) && keyOf(letter).equals(key)
    t.ok(isSame && letter.properties.includes(fields) && letter.properties.includes(texts), `message ${number}`)
  }
})
