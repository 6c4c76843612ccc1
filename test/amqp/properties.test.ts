import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { decodeTable, encodeTable } from '../../supervisor/amqp/fields.ts'
import {
  decodeHeaders,
  decodeProperties,
  editHeaders,
  encodeProperties,
  type Properties,
  replaceHeaders,
  scanProperties,
} from '../../supervisor/amqp/properties.ts'
import { amqplib } from './amqplib.ts'
import { asAmqplibReads, shortstr, table, tableToAmqplib, wildTable } from './arbitraries.ts'

const octet = fc.nat(255)
const others = {
  contentType: shortstr,
  contentEncoding: shortstr,
  deliveryMode: octet,
  priority: octet,
  correlationId: shortstr,
  replyTo: shortstr,
  expiration: shortstr,
  messageId: shortstr,
  timestamp: fc.maxSafeNat(),
  type: shortstr,
  userId: shortstr,
  appId: shortstr,
  clusterId: shortstr,
}
const some = fc.record({ ...others, headers: table }, { requiredKeys: [] }) as fc.Arbitrary<Properties>
const wild = fc.record({ ...others, headers: wildTable }, { requiredKeys: [] }) as fc.Arbitrary<Properties>

function amqplibRaw({ headers, ...rest }: Properties): Buffer {
  const fields = { ...rest, ...(headers && { headers: tableToAmqplib(headers) }) }
  // Its frame: 7 bytes of start, 12 of ids and body size, the properties, and the end octet.
  return amqplib.encodeProperties(amqplib.BasicProperties, 1, 0, fields).subarray(19, -1)
}

function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

t.test('writes the bytes that amqplib writes', async () => {
  fc.assert(
    fc.property(some, (properties) => encodeProperties(properties).equals(amqplibRaw(properties))),
    { numRuns: 500 },
  )
})

t.test('amqplib reads what is written', async () => {
  fc.assert(
    fc.property(some, ({ headers, ...rest }) => {
      const read = amqplib.decode(amqplib.BasicProperties, encodeProperties({ ...rest, ...(headers && { headers }) }))
      return isDeepStrictEqual(present(read), { ...rest, ...(headers && { headers: asAmqplibReads(headers) }) })
    }),
    { numRuns: 500 },
  )
})

t.test('what is written is read again', async () => {
  fc.assert(
    fc.property(wild, (properties) => {
      const raw = encodeProperties(properties)
      return (
        isDeepStrictEqual(decodeProperties(raw), { ...properties }) &&
        raw.equals(encodeProperties(decodeProperties(raw)))
      )
    }),
    { numRuns: 500 },
  )
})

t.test('the scan finds what a full decoding finds', async () => {
  fc.assert(
    fc.property(wild, (properties) => {
      const raw = encodeProperties(properties)
      const { deliveryMode = 1, priority, expiration, headers } = properties
      const hasHeaders = Object.keys(headers ?? {}).length > 0
      return (
        isDeepStrictEqual(scanProperties(raw), { deliveryMode, priority, expiration, hasHeaders }) &&
        isDeepStrictEqual(decodeHeaders(raw), headers)
      )
    }),
    { numRuns: 500 },
  )
})

t.test('replaces the headers and nothing else', async () => {
  const replacement = fc.option(wildTable, { nil: undefined })
  fc.assert(
    fc.property(wild, replacement, fc.boolean(), (properties, headers, dropExpiration) => {
      const { headers: _, expiration, ...rest } = properties
      const expected = encodeProperties({
        ...rest,
        ...(headers && { headers }),
        ...(!dropExpiration && expiration !== undefined && { expiration }),
      })
      return replaceHeaders(encodeProperties(properties), headers, dropExpiration).equals(expected)
    }),
    { numRuns: 500 },
  )
})

t.test('edits headers: those named change, the others keep their bytes', async (t) => {
  fc.assert(
    fc.property(wild, wildTable, (properties, changes) => {
      const edited = decodeProperties(editHeaders(encodeProperties(properties), changes))
      const expected = Object.assign(Object.create(null), { ...properties.headers })
      if (properties.headers && Object.hasOwn(properties.headers, '__proto__')) return true
      if (Object.hasOwn(changes, '__proto__')) return true
      Object.assign(expected, changes)
      return isDeepStrictEqual(edited, { ...properties, headers: expected })
    }),
    { numRuns: 500 },
  )
  // A short integer: decoding it and encoding it again would make it a long one.
  const header = Buffer.from([0, 0, 0, 9, 1, 0x61, 0x73, 0, 7, 1, 0x62, 0x74, 1])
  const raw = Buffer.concat([Buffer.from([0x20, 0]), header])
  t.same(editHeaders(raw, { b: undefined }), Buffer.from([0x20, 0, 0, 0, 0, 5, 1, 0x61, 0x73, 0, 7]))
  t.same(decodeHeaders(editHeaders(raw, { b: 'new', c: 3 })), { a: 7, b: 'new', c: 3 })
  t.same(decodeHeaders(editHeaders(Buffer.alloc(2), { c: 3 })), { c: 3 }, 'where there were none')
  t.same(decodeProperties(editHeaders(encodeProperties({ expiration: '5' }), {}, true)), { headers: {} })
})

t.test('whatever the scan lets pass, all can read', async () => {
  fc.assert(
    fc.property(wild, fc.nat(), octet, (properties, at, value) => {
      const raw = encodeProperties(properties)
      raw[at % raw.length] = value
      try {
        scanProperties(raw)
      } catch (error) {
        return (error as { code?: number }).code === 502
      }
      decodeProperties(raw)
      decodeHeaders(replaceHeaders(raw, { a: 1 }, true))
      decodeHeaders(editHeaders(raw, { a: 1 }, true))
      return true
    }),
    { numRuns: 3000 },
  )
})

t.test('refuses properties that are cut off, too long, or of another class', async (t) => {
  const raw = encodeProperties({
    contentType: 'text/plain',
    headers: { a: [1, 'two'] },
    expiration: '10',
    timestamp: 9,
  })
  const broken: Buffer[] = [Buffer.from([0, 1]), Buffer.from([0, 2]), Buffer.concat([raw, Buffer.alloc(1)])]
  for (let size = 0; size < raw.length; size++) broken.push(raw.subarray(0, size))
  for (const bytes of broken) {
    for (const read of [scanProperties, decodeProperties, decodeHeaders]) {
      t.throws(() => read(bytes), { name: 'CodecError', code: 502 }, `${read.name} ${bytes.toString('hex')}`)
    }
  }
})

t.test('takes text that is not UTF-8, as RabbitMQ does, and keeps its bytes', async (t) => {
  const raw = Buffer.from([0x04, 0, 1, 0xff])
  t.equal(scanProperties(raw).priority, undefined)
  t.equal(decodeProperties(raw).correlationId, '\udcff')
  t.same(encodeProperties(decodeProperties(raw)), raw)
  t.same(replaceHeaders(raw, {}), Buffer.from([0x24, 0, 0, 0, 0, 0, 1, 0xff]))
})

t.test('a timestamp beyond 2^53 is kept exactly', async (t) => {
  const raw = encodeProperties({ timestamp: 2n ** 64n - 1n })
  t.equal(decodeProperties(raw).timestamp, 2n ** 64n - 1n)
})

t.test('headers with a field too many for their length are refused', async (t) => {
  const { end } = decodeTable(encodeTable({}), 0)
  t.equal(end, 4)
  t.throws(() => scanProperties(Buffer.from([0x20, 0, 0, 0, 0, 2, 1, 0x61])), { code: 502 })
})
