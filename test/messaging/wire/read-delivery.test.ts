import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Delivered } from '../../../supervisor/messaging/wire/delivered.ts'
import { createDeliveryReader } from '../../../supervisor/messaging/wire/read-delivery.ts'
import { delivered, frame, names, properties, readByAmqplib } from './frames.ts'

/** As RabbitMQ has it. */
const FRAME_MAX = 131_072

const fields = fc.record({
  consumerTag: names.ascii,
  deliveryTag: fc.maxSafeNat().map((tag) => tag + 1),
  redelivered: fc.boolean(),
  exchange: names.anyText,
  routingKey: names.anyText,
})

/** Without what tells a table of ours from one of amqplib's: the prototype. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
}

t.test('reads what amqplib reads', async (t) => {
  const reader = createDeliveryReader({ frameMax: FRAME_MAX })
  fc.assert(
    fc.property(fc.nat(65_535), fields, properties, names.body, fc.nat(40), (channel, method, all, body, before) => {
      const frames = delivered(channel, method, { ...all, deliveryMode: 2 }, body)
      const bytes = Buffer.concat([Buffer.alloc(before), frames, frames])
      assert.ok(reader.read(bytes, before))
      assert.equal(reader.end, before + frames.length)
      assert.equal(reader.channel, channel)
      const { raw, unreadable, content, ...found } = reader.message as Delivered
      assert.deepEqual(plain({ ...found, content: Buffer.from(content) }), plain(readByAmqplib(frames, body)))
      assert.deepEqual(unreadable, [])
      assert.ok(frames.includes(raw as Buffer))
      // What it remembers of one it takes for another only where that is the same.
      assert.ok(reader.read(bytes, reader.end))
      assert.deepEqual((reader.message as Delivered | undefined)?.fields, found.fields)
      return true
    }),
    { numRuns: 1_500 },
  )
  t.pass()
})

t.test('a body in several frames, with frames of others between them', async (t) => {
  const reader = createDeliveryReader({ frameMax: 4_096 })
  const method = { consumerTag: 'c', deliveryTag: 7, redelivered: false, exchange: '', routingKey: 'r' }
  const body = Buffer.from('0123456789'.repeat(1_000))
  const cut = (from: number, to: number) => frame(3, 3, body.subarray(from, to))
  const heartbeat = frame(8, 0, Buffer.alloc(0))
  const other = delivered(4, { ...method, deliveryTag: 8 }, {}, Buffer.from('other'))
  const whole = delivered(3, method, { messageId: 'm' }, body)
  const header = 8 + whole.readUInt32BE(3)
  const bodyAt = header + 8 + whole.readUInt32BE(header + 3)
  const parts = [
    whole.subarray(0, header),
    heartbeat,
    whole.subarray(header, bodyAt),
    other,
    cut(0, 4_088),
    heartbeat,
    cut(4_088, 8_176),
    other,
    cut(8_176, 10_000),
    delivered(3, { ...method, deliveryTag: 9 }, {}, Buffer.from('next')),
  ]
  const bytes = Buffer.concat(parts)
  const messages: [number, number, string][] = []
  let skipped = 0
  for (let at = 0; at < bytes.length; ) {
    if (reader.read(bytes, at)) {
      at = reader.end
      const { message, channel } = reader
      if (message) messages.push([channel, message.fields.deliveryTag, message.content.toString()])
    } else {
      t.notOk(reader.isPartial)
      skipped++
      at += heartbeat.length
    }
  }
  t.equal(skipped, 2, 'the heartbeats are left to amqplib')
  t.same(messages, [
    [4, 8, 'other'],
    [4, 8, 'other'],
    [3, 7, body.toString()],
    [3, 9, 'next'],
  ])
})

t.test('a body that is not as its header says is left to amqplib', async (t) => {
  const reader = createDeliveryReader({ frameMax: 4_096 })
  const method = { consumerTag: 'c', deliveryTag: 7, redelivered: false, exchange: '', routingKey: 'r' }
  const whole = delivered(3, method, {}, Buffer.alloc(5_000))
  const bytes = Buffer.concat([whole.subarray(0, whole.length - 5_008), frame(3, 3, Buffer.alloc(4_000))])
  const longer = Buffer.concat([bytes, frame(3, 3, Buffer.alloc(4_000))])
  let at = 0
  while (reader.read(longer, at)) at = reader.end
  t.equal(at, bytes.length)
  t.equal(reader.message, undefined)
})

t.test('waits for all of a message', async (t) => {
  const method = { consumerTag: 'c', deliveryTag: 2 ** 40, redelivered: true, exchange: 'e', routingKey: 'r' }
  const all = { headers: { a: 'b', c: 1 }, messageId: 'm' }
  const frames = delivered(3, method, all, Buffer.from('body'))
  const reader = createDeliveryReader({ frameMax: FRAME_MAX })
  for (let length = 0; length < frames.length; length++) {
    if (reader.read(frames.subarray(0, length), 0)) t.fail(`read ${length} of ${frames.length} octets`)
    if (!reader.isPartial) t.fail(`${length} of ${frames.length} octets are left to amqplib`)
    if (![0, frames.length].includes(reader.whole)) t.fail(`${reader.whole} octets instead of ${frames.length}`)
  }
  t.equal(reader.whole, frames.length)
  t.ok(reader.read(frames, 0))
  t.notOk(reader.isPartial)
  t.equal(reader.message?.fields.deliveryTag, 2 ** 40)
})

t.test('leaves to amqplib what is no message', async (t) => {
  const method = { consumerTag: 'c', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'r' }
  const whole = delivered(3, method, {}, Buffer.from('0123456789'))
  const isLeft = (at: number, octet: number, options = {}) => {
    const bytes = Buffer.from(whole)
    bytes[at] = octet
    const reader = createDeliveryReader({ frameMax: FRAME_MAX, ...options })
    return !reader.read(bytes, 0) && !reader.isPartial
  }
  t.ok(isLeft(0, 2), 'no method')
  t.ok(isLeft(10, 50 + 1), 'another method')
  t.ok(isLeft(7 + whole.readUInt32BE(3), 0), 'a frame without its end')
  t.ok(isLeft(11, 200), 'a text that ends outside of its frame')
  t.ok(isLeft(0, 1, { channelOf: () => undefined }), 'what is for a channel that is closing')
})

t.test('any damage is read as something, or left to amqplib: it never throws', async (t) => {
  fc.assert(
    fc.property(fields, properties, names.body, fc.nat(), fc.nat(255), (method, all, body, at, octet) => {
      const frames = delivered(1, method, { ...all, deliveryMode: 2 }, body)
      frames[at % frames.length] = octet
      const reader = createDeliveryReader({ frameMax: FRAME_MAX })
      for (let next = 0; next < frames.length && reader.read(frames, next); ) next = reader.end
      return true
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})
