import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { forwardProperties } from '../../supervisor/amqp/forward-properties.ts'
import { decodeProperties, encodeProperties, type Properties } from '../../supervisor/amqp/properties.ts'

const options = {
  headers: { 'x-attempt': 2, gone: undefined },
  isDropped: (name: string) => name === 'CC',
  bare: false,
  messageId: 'made-up',
  most: 100_000,
  leftOut: 'x-left-out',
}
const forwarded = (raw: Buffer, more = {}) => forwardProperties(raw, { ...options, ...more })
const shortstr = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length]), bytes])
/** Headers and delivery mode are given as they are on the wire. */
const raw = (headers: Buffer, ...rest: Buffer[]) => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(headers.length)
  return Buffer.concat([Buffer.from([0x24, 0xc0]), size, headers, ...rest])
}

t.test('bytes that nothing could encode again stay', async (t) => {
  const [correlationId, messageId] = [Buffer.alloc(150, 0xe9), Buffer.alloc(255, 0xff)]
  const timestamp = Buffer.alloc(8, 0xff)
  const large = Buffer.from([1, 0x61, 0x4c, 0, 0, 0, 0, 0x80, 0, 0, 0])
  const out = forwarded(raw(large, shortstr(correlationId), shortstr(messageId), timestamp))
  for (const part of [large, shortstr(correlationId), shortstr(messageId), timestamp]) t.ok(out.includes(part))
  t.match(decodeProperties(out), { deliveryMode: 2, headers: { a: 2_147_483_648, 'x-attempt': 2 } })
  t.equal(decodeProperties(out).headers?.['x-left-out'], undefined)
})

t.test('headers are set, replaced and removed by name, and the rest stays', async (t) => {
  const before: Properties = {
    contentType: 'a/b',
    headers: { 'x-attempt': 1, CC: ['q'], gone: 1, kept: 'k' },
    deliveryMode: 1,
    priority: 3,
    correlationId: 'c',
    replyTo: 'r',
    expiration: '10',
    messageId: 'm',
    timestamp: 9,
    type: 't',
    userId: 'u',
    appId: 'a',
    clusterId: 'i',
  }
  const { replyTo, expiration, userId, ...rest } = before
  const headers = { kept: 'k', 'x-attempt': 2 }
  const found = decodeProperties(forwarded(encodeProperties(before)))
  t.same({ ...found, headers: { ...found.headers } }, { ...rest, headers, deliveryMode: 2 })
  t.same({ ...decodeProperties(forwarded(encodeProperties({}))).headers }, { 'x-attempt': 2 })
  t.equal(decodeProperties(forwarded(encodeProperties({}))).messageId, 'made-up')
})

t.test('what is broken or does not fit is left out and named', async (t) => {
  const unknown = forwarded(
    raw(Buffer.from([1, 0x61, 0x3f, 1]), shortstr(Buffer.from('c')), shortstr(Buffer.from('m')), Buffer.alloc(8)),
  )
  t.match(decodeProperties(unknown), { correlationId: 'c', headers: { 'x-left-out': 'headers', 'x-attempt': 2 } })
  const large = encodeProperties({ headers: { large: 'x'.repeat(99_990) }, messageId: 'm' })
  const found = decodeProperties(forwarded(large))
  t.match(found, { messageId: 'm', headers: { 'x-left-out': 'headers', large: undefined } })
  const cut = decodeProperties(forwarded(encodeProperties({ messageId: 'm' }).subarray(0, 3)))
  t.match(cut, { messageId: 'made-up', headers: { 'x-left-out': 'properties' } })
  const bare = decodeProperties(forwarded(encodeProperties({ headers: { a: 1 }, type: 't' }), { bare: true }))
  t.same(
    { ...bare, headers: { ...bare.headers } },
    {
      headers: { 'x-attempt': 2 },
      deliveryMode: 2,
      messageId: 'made-up',
    },
  )
})

t.test('any bytes become properties that can be read', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, bare) => {
      const out = forwarded(Buffer.from(bytes), { bare })
      assert.ok(out.length <= options.most)
      assert.equal(out.readUInt16BE(0) & 3, 0)
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('in the smallest frames the reason is cut rather than never sent', async (t) => {
  // As in 4,096 octets, with what a dead letter says at most.
  const headers = { 'x-dead-stack': 's'.repeat(8_192), 'x-dead-message': 'Ξ'.repeat(1_024), 'x-dead-attempts': 3 }
  const most = 4_096 - 20
  for (const bare of [false, true]) {
    const out = forwarded(encodeProperties({ headers: { kept: 'k'.repeat(3_000) } }), { headers, most, bare })
    t.ok(out.length <= most, `${out.length} octets`)
    const { headers: found, messageId } = decodeProperties(out)
    t.match(found, { 'x-dead-stack': /^s+…$/, 'x-dead-message': /^Ξ+…$/, 'x-dead-attempts': 3 })
    t.equal(messageId, 'made-up')
  }
})
