import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createDeliveryReader } from '../../../supervisor/messaging/wire/read-delivery.ts'
import { delivered, names, properties, readByAmqplib } from './frames.ts'

/** As RabbitMQ has it. */
const FRAME_MAX = 131_072

const fields = fc.record({
  consumerTag: names.ascii,
  deliveryTag: fc.maxSafeNat().map((tag) => tag + 1),
  redelivered: fc.boolean(),
  exchange: names.anyText,
  routingKey: names.anyText,
})

t.test('reads what amqplib reads, or nothing', async (t) => {
  const reader = createDeliveryReader({ frameMax: FRAME_MAX })
  let count = 0
  fc.assert(
    fc.property(fc.nat(65_535), fields, properties, names.body, fc.nat(40), (channel, method, all, body, before) => {
      const frames = delivered(channel, method, { ...all, deliveryMode: 2 }, body)
      const bytes = Buffer.concat([Buffer.alloc(before), frames, frames])
      if (!reader.read(bytes, before)) return true
      count++
      assert.equal(reader.end, before + frames.length)
      assert.equal(reader.channel, channel)
      const found = { ...reader.message, content: Buffer.from(reader.message.content) }
      assert.deepEqual(found, readByAmqplib(frames, body))
      // What it remembers of one it takes for another only where that is the same.
      assert.ok(reader.read(bytes, reader.end))
      assert.deepEqual(reader.message.fields, found.fields)
      return true
    }),
    { numRuns: 1_500 },
  )
  t.ok(count > 150, `${count} were read`)
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
  t.equal(reader.message.fields.deliveryTag, 2 ** 40)
})

t.test('leaves to amqplib what is not a whole message in three frames', async (t) => {
  const method = { consumerTag: 'c', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'r' }
  const whole = delivered(3, method, {}, Buffer.from('0123456789'))
  const reader = createDeliveryReader({ frameMax: FRAME_MAX })
  t.ok(reader.read(whole, 0))
  const changed = (at: number, octet: number) => {
    const bytes = Buffer.from(whole)
    bytes[at] = octet
    return bytes
  }
  const header = 8 + whole.readUInt32BE(3)
  const body = header + 8 + whole.readUInt32BE(header + 3)
  const isLeft = (bytes: Buffer) => !reader.read(bytes, 0) && !reader.isPartial
  t.ok(isLeft(changed(0, 2)), 'no method')
  t.ok(isLeft(changed(10, 50)), 'another method')
  t.ok(isLeft(changed(header - 1, 0)), 'a frame without its end')
  t.ok(isLeft(changed(header + 2, 4)), 'a header of another channel')
  t.ok(isLeft(changed(header + 7 + 11, 20)), 'a body of more than one frame')
  t.ok(isLeft(changed(body + 2, 4)), 'a body of another channel')
  t.ok(isLeft(changed(11, 200)), 'a text that ends outside of its frame')
})

t.test('any damage is read as something, or left to amqplib: it never throws', async (t) => {
  const reader = createDeliveryReader({ frameMax: FRAME_MAX })
  fc.assert(
    fc.property(fields, properties, names.body, fc.nat(), fc.nat(255), (method, all, body, at, octet) => {
      const frames = delivered(1, method, { ...all, deliveryMode: 2 }, body)
      frames[at % frames.length] = octet
      reader.read(frames, 0)
      return true
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})
