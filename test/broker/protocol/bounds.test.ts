// What clients can make the broker hold in memory: each test is one that asks, or sends, and does not do its own part.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Broker, type BrokerOptions, startBroker } from '../../../supervisor/broker/start.ts'
import { until } from '../../helpers/until.ts'
import { encodeContent, encodeMethod, frame } from '../differential/amqplib-codec.ts'
import { type Arrival, openWire, type Wire } from '../differential/wire.ts'

const MIB = 1024 * 1024
/** More than a connection may leave unread, and what the system's buffers take of it. */
const COUNT = 36
const MOST = 32
const REPLY_TO = 'amq.rabbitmq.reply-to'

t.test('replies to a client that does not read wait with whoever replies, and none is lost', async (t) => {
  const broker = await started(t)
  const { caller, replier } = await withReplies(t, broker)
  const opened = replier.arrival(({ name, channel }) => name === 'ChannelOpenOk' && channel === 2)
  const isServed = () => caller.arrivals.filter(isDelivery).length === COUNT
  t.equal(await Promise.race([opened.then(() => 'all were taken'), settled(() => confirmed(replier))]), 'still')
  t.ok(confirmed(replier) < MOST, `${confirmed(replier)} of ${COUNT} were taken`)

  const another = await channelOf(t, broker)
  t.match(await another.request('QueueDeclare', 1, { queue: 'other' }), { name: 'QueueDeclareOk' }, 'nobody else waits')
  caller.read()
  await opened
  await until(isServed, { what: 'all replies' })
  t.same(
    caller.arrivals.filter(isDelivery).map(({ body }) => body?.readUInt32BE(0)),
    Array.from({ length: COUNT }, (_, n) => n),
  )
})

t.test('a client that reads none of its replies is ended, and then whoever replies goes on', async (t) => {
  const broker = await started(t, { limits: { stallTimeout: 100 } })
  const { caller, replier } = await withReplies(t, broker)
  await replier.arrival(({ name, channel }) => name === 'ChannelOpenOk' && channel === 2)
  await until(() => confirmed(replier) === COUNT, { what: 'all confirms' })
  caller.read()
  await caller.arrival(({ name }) => name === 'SocketClose')
})

t.test('a client that asks for messages and does not read gets no more than it may leave unread', async (t) => {
  const broker = await started(t)
  const [sender, getter] = [await channelOf(t, broker), await channelOf(t, broker)]
  await sender.request('QueueDeclare', 1, { queue: 'q' })
  for (let n = 0; n < COUNT; n++) sender.publish(1, { routingKey: 'q' }, {}, Buffer.alloc(MIB))
  const waiting = async () => {
    const { fields } = await sender.request('QueueDeclare', 1, { queue: 'q', passive: true })
    return fields.messageCount as number
  }
  t.equal(await waiting(), COUNT)

  getter.stopReading()
  getter.raw(Buffer.concat(Array(COUNT).fill(encodeMethod('BasicGet', 1, { queue: 'q', noAck: true }))))
  await settled(waiting)
  t.ok((await waiting()) > COUNT - MOST, `${await waiting()} of ${COUNT} are left`)
  getter.read()
  await until(() => getter.arrivals.filter(({ name }) => name === 'BasicGetOk').length === COUNT, { what: 'all' })
})

t.test('where all clients together leave too much unread each gets less, and who reads gets all', async (t) => {
  const broker = await started(t, { limits: { unreadMax: 2 * MIB } })
  const sender = await channelOf(t, broker)
  await sender.request('QueueDeclare', 1, { queue: 'q' })
  const fill = () => {
    for (let n = 0; n < COUNT; n++) sender.publish(1, { routingKey: 'q' }, {}, Buffer.alloc(MIB))
  }
  const waiting = async () => {
    const { fields } = await sender.request('QueueDeclare', 1, { queue: 'q', passive: true })
    return fields.messageCount as number
  }
  fill()
  const lazy = [await channelOf(t, broker), await channelOf(t, broker)]
  for (const client of lazy) {
    client.stopReading()
    client.raw(Buffer.concat(Array(COUNT).fill(encodeMethod('BasicGet', 1, { queue: 'q', noAck: true }))))
  }
  // The system's buffers take a few of each.
  await settled(waiting)
  const left = await waiting()
  t.ok(left > COUNT / 4, `${left} of ${COUNT} are left by two clients`)

  const reader = await channelOf(t, broker)
  await reader.request('BasicConsume', 1, { queue: 'q', noAck: true })
  await until(() => reader.arrivals.filter(isDelivery).length === left, { what: 'who reads to get all' })
})

t.test('a message that is announced takes no memory before it comes', async (t) => {
  const broker = await started(t)
  const channels = 100
  const wire = await openWire(broker.url)
  t.teardown(() => wire.cut())
  const before = process.memoryUsage().arrayBuffers
  for (let channel = 1; channel <= channels; channel++) {
    wire.send('ChannelOpen', channel)
    wire.raw(unfinished(channel, 16 * MIB, 1))
  }
  t.match(await wire.request('ChannelOpen', channels + 1), { name: 'ChannelOpenOk' })
  const bytes = process.memoryUsage().arrayBuffers - before
  t.ok(bytes < 16 * MIB, `${bytes} bytes for ${channels} messages of 16 MiB of which one byte has come`)
})

t.test('who has most of what is unfinished is ended where it becomes too much', async (t) => {
  const broker = await started(t, { limits: { unfinishedMax: 2 * MIB } })
  const bystander = await channelOf(t, broker)
  await bystander.request('QueueDeclare', 1, { queue: 'q' })
  bystander.raw(unfinished(1, 2 * MIB, 100_000))

  const wire = await openWire(broker.url)
  t.teardown(() => wire.cut())
  for (let channel = 1; channel <= 40; channel++) {
    wire.send('ChannelOpen', channel)
    wire.raw(unfinished(channel, 16 * MIB, 100_000))
  }
  const { fields } = await wire.arrival(({ name }) => name === 'ConnectionClose')
  t.match(fields, {
    replyCode: 506,
    replyText: /^RESOURCE_ERROR - \d+ bytes of unfinished messages on this connection/,
  })

  for (let left = 2 * MIB - 100_000; left > 0; left -= 100_000) {
    bystander.raw(frame(3, 1, Buffer.alloc(Math.min(left, 100_000))))
  }
  t.match(await bystander.request('QueueDeclare', 1, { queue: 'q' }), { fields: { messageCount: 1 } })
  await wire.close()

  // What was counted for it is given back.
  const again = await channelOf(t, broker)
  again.raw(unfinished(1, 2 * MIB, 100_000))
  again.send('ChannelClose', 1, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
  t.match(await again.request('ChannelOpen', 2), { name: 'ChannelOpenOk' })
})

/** A client that has asked for replies and does not read, and one that has sent them all, and then opened channel 2. */
async function withReplies(t: Test, broker: Broker): Promise<{ caller: Wire; replier: Wire }> {
  const [caller, replier] = [await channelOf(t, broker), await channelOf(t, broker)]
  await replier.request('QueueDeclare', 1, { queue: 'rpc' })
  await replier.request('BasicConsume', 1, { queue: 'rpc', noAck: true })
  await replier.request('ConfirmSelect', 1)
  await caller.request('BasicConsume', 1, { queue: REPLY_TO, noAck: true })
  caller.publish(1, { routingKey: 'rpc' }, { replyTo: REPLY_TO })
  const { properties } = await replier.arrival(isDelivery)
  caller.stopReading()
  for (let n = 0; n < COUNT; n++) {
    const body = Buffer.alloc(MIB)
    body.writeUInt32BE(n)
    replier.publish(1, { routingKey: properties?.replyTo }, {}, body)
  }
  replier.send('ChannelOpen', 2)
  return { caller, replier }
}

function isDelivery({ name }: Arrival): boolean {
  return name === 'BasicDeliver'
}

function confirmed(wire: Wire): number {
  const told = wire.arrivals.filter(({ name }) => name === 'BasicAck').map(({ fields }) => Number(fields.deliveryTag))
  return Math.max(0, ...told)
}

/** A publication of which only the first bytes have come. */
function unfinished(channel: number, size: number, come: number): Buffer {
  const whole = encodeContent(channel, {}, Buffer.alloc(come), 131_072)
  whole.writeBigUInt64BE(BigInt(size), 11)
  return Buffer.concat([encodeMethod('BasicPublish', channel, { routingKey: 'q' }), whole])
}

/** Resolves when a number has not changed for half a second: a broker that goes on is faster. */
async function settled(look: () => number | Promise<number>): Promise<'still'> {
  for (let before = -1, now = await look(); now !== before; now = await look()) {
    before = now
    await sleep(500)
  }
  return 'still'
}

async function started(t: Test, options: BrokerOptions = {}): Promise<Broker> {
  const broker = await startBroker(options)
  t.teardown(() => broker.close())
  return broker
}

async function channelOf(t: Test, broker: Broker): Promise<Wire> {
  const wire = await openWire(broker.url, { timeout: 60_000 })
  t.teardown(() => wire.cut())
  await wire.request('ChannelOpen', 1)
  return wire
}

t.test('messages that take too much routing do not count as on their way to the disk', async (t) => {
  const wire = await channelOf(t, await started(t, { limits: { inFlightMax: 1_000_000 } }))
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  await wire.request('QueueBind', 1, { queue: 'q', exchange: 'amq.topic', routingKey: `#.a${'.*'.repeat(100)}` })
  const key = 'a.'.repeat(115)
  const CC = Array.from({ length: 200 }, (_, place) => `${key}${place}`)
  for (let round = 0; round < 3; round++) {
    wire.publish(1, { exchange: 'amq.topic', routingKey: key }, { headers: { CC } }, Buffer.alloc(600_000))
    await wire.arrival(({ name }) => name === 'ChannelClose')
    wire.arrivals.length = 0
    await wire.request('ChannelOpen', 1)
  }
})
