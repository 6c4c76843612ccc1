import type { Options } from 'amqplib'
import fc from 'fast-check'
import t from 'tap'
import { roomFor, writePublish } from '../../../supervisor/messaging/wire/write-publish.ts'
import { names, properties, published } from './frames.ts'

/** What is written, with the body that follows; undefined: it is left to amqplib. */
function written(channel: number, exchange: string, routingKey: string, options: Options.Publish, body: Buffer) {
  const publication = { exchange, routingKey, properties: options }
  const room = roomFor(publication)
  // What is written outside of the room must show.
  const bytes = Buffer.alloc(room + 64, 0xaa)
  const end = writePublish(bytes, 32, channel, publication, body.length)
  const around = Buffer.concat([bytes.subarray(0, 32), bytes.subarray(32 + room)])
  if (end > 32 + room || around.some((octet) => octet !== 0xaa)) throw new Error('it writes outside of its room')
  if (end === 0) return undefined
  return Buffer.concat([bytes.subarray(32, end), ...(body.length > 0 ? [body, Buffer.from([0xce])] : [])])
}

t.test('octet for octet what amqplib writes, or nothing', async (t) => {
  let count = 0
  const options = fc.tuple(properties, fc.boolean(), fc.boolean())
  fc.assert(
    fc.property(
      fc.nat(65_535),
      names.anyText,
      names.ascii,
      options,
      names.body,
      (channel, exchange, key, given, body) => {
        const [all, persistent, mandatory] = given
        const message = { ...all, persistent, mandatory } as Options.Publish
        const own = written(channel, exchange, key, message, body)
        if (!own) return true
        count++
        return own.equals(published(channel, exchange, key, message, body))
      },
    ),
    { numRuns: 3_000 },
  )
  t.ok(count > 300, `${count} were written`)
})

t.test('what Warren sends is not left to amqplib', async (t) => {
  const headers = { 'x-attempt': 1, 'x-request-id': '01a2061c-c138-75b6-bf51-5694b30a9eda' }
  const own = { contentType: 'application/json', type: 'q', appId: 'warren', timestamp: 1_790_000_000, headers }
  const message = { ...own, messageId: '01a2061c-c138-75b6-bf51-5694b30a9edb', persistent: true, mandatory: true }
  const body = Buffer.from('{}')
  t.same(written(1, '', 'thumbnail', message, body), published(1, '', 'thumbnail', message, body))
  const call = { ...message, replyTo: 'amq.rabbitmq.reply-to', correlationId: 'c', expiration: 30_000 }
  t.same(written(1, '', 'thumbnail', call, Buffer.alloc(0)), published(1, '', 'thumbnail', call, Buffer.alloc(0)))
})
