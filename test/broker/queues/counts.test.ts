// What counts as a failed delivery of a message, as RabbitMQ 4.3.6 does it (measured).
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import type { Fields } from '../differential/amqplib-codec.ts'
import { openWire, type Wire } from '../differential/wire.ts'
import { openSession } from '../session.ts'

type How = 'ack' | 'nack' | 'reject' | 'recover'

/** A message as it was handed out: whether again, how often it came back, and how often it failed. */
type Seen = [redelivered: boolean, acquired?: number, failed?: number]

t.test('a nack and a recovery count as no failure, a rejection does', async (t) => {
  const { get } = await session(t)
  t.same(await get('quorum', 'nack'), [false])
  t.same(await get('quorum', 'reject'), [true, 1])
  t.same(await get('quorum', 'recover'), [true, 2, 1])
  t.same(await get('quorum', 'nack'), [true, 3, 1])
  t.same(await get('quorum', 'ack'), [true, 4, 1])
  for (const how of ['nack', 'reject', 'recover'] as const) await get('classic', how)
  t.same(await get('classic', 'ack'), [true], 'a classic queue shows no counts')
})

t.test("a channel's and a connection's end count as failures", async (t) => {
  const { url, get, wire } = await session(t)
  await wire.request('BasicGet', 1, { queue: 'quorum' })
  await wire.request('ChannelClose', 1, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
  await wire.request('ChannelOpen', 1)
  const other = await openWire(url)
  await other.request('ChannelOpen', 1)
  t.same(seen(await other.request('BasicGet', 1, { queue: 'quorum' })), [true, 1, 1])
  other.cut()
  await ready(wire, 'quorum', 1)
  t.same(await get('quorum', 'ack'), [true, 2, 2])
})

t.test('only failures reach the delivery limit', async (t) => {
  const { get, wire } = await session(t, { 'x-delivery-limit': 1 })
  for (let n = 0; n < 5; n++) await get('quorum', 'nack')
  t.same(await get('quorum', 'reject'), [true, 5])
  t.same(await get('quorum', 'nack'), [true, 6, 1])
  await get('quorum', 'reject')
  await ready(wire, 'quorum', 0)
})

t.test('failures are remembered by a dead letter, and hand-outs are not', async (t) => {
  const { get, wire } = await session(t, { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
  const settle = (how: How, requeue: boolean) => get('quorum', how, requeue)
  await settle('nack', true)
  await settle('reject', true)
  await settle('reject', false)
  t.same(await get('dead', 'nack'), [true, 2, 2], 'without hand-outs of its own it shows its failures twice')
  t.same(await get('dead', 'ack'), [true, 1, 2])

  wire.publish(1, { routingKey: 'quorum' })
  await settle('nack', false)
  t.same(await get('dead', 'ack'), [false], 'a nack that does not requeue is no failure')

  await get('classic', 'reject')
  await get('classic', 'reject', false)
  t.same(await get('dead', 'ack'), [true, 2, 2], 'a classic queue counts failures too')
})

t.test('both counts are kept through a restart', async (t) => {
  const folder = temporaryFolder(t)
  const first = await session(t, {}, folder)
  for (const how of ['nack', 'reject', 'nack'] as const) await first.get('quorum', how)
  await first.end()
  const second = await session(t, {}, folder)
  t.same(await second.get('quorum', 'ack'), [true, 3, 1])
})

/** A broker with a message in a quorum queue and one in a classic queue, whose dead letters go the same way. */
async function session(t: Test, args: Fields = {}, folder?: string) {
  const { broker, wire, end } = await openSession(t, folder)
  const declare = (queue: string, own: Fields) =>
    wire.request('QueueDeclare', 1, { queue, durable: true, arguments: own })
  const { fields } = await declare('quorum', { 'x-queue-type': 'quorum', ...args })
  await declare('dead', { 'x-queue-type': 'quorum' })
  await declare('classic', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
  const isNew = fields.messageCount === 0
  if (isNew) for (const routingKey of ['quorum', 'classic']) wire.publish(1, { routingKey }, { deliveryMode: 2 })

  /** Fetches the message, and settles it. */
  async function get(queue: string, how: How, requeue = true): Promise<Seen> {
    const got = await wire.request('BasicGet', 1, { queue })
    if (got.name !== 'BasicGetOk') throw new Error(`expected a message in ${queue}, found none`)
    const { deliveryTag } = got.fields
    if (how === 'ack') wire.send('BasicAck', 1, { deliveryTag })
    else if (how === 'nack') wire.send('BasicNack', 1, { deliveryTag, requeue })
    else if (how === 'reject') wire.send('BasicReject', 1, { deliveryTag, requeue })
    else await wire.request('BasicRecover', 1, { requeue: true })
    return seen(got)
  }

  return { url: broker.url, wire, get, end }
}

function seen({ fields, properties }: { fields: Fields; properties?: Fields }): Seen {
  const { 'x-acquired-count': acquired, 'x-delivery-count': failed } = (properties?.headers ?? {}) as Fields
  const counts = [acquired, failed].filter((count) => count !== undefined)
  return [fields.redelivered, ...counts] as Seen
}

/** Waits until a queue has so many messages ready. */
async function ready(wire: Wire, queue: string, count: number): Promise<void> {
  const isReady = async () => {
    const { fields } = await wire.request('QueueDeclare', 1, { queue, passive: true })
    return fields.messageCount === count
  }
  await until(isReady, { what: `${count} messages to be ready in ${queue}` })
}
