import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { CodecError } from '../../supervisor/amqp/errors.ts'
import { TypedValue } from '../../supervisor/amqp/field-values.ts'
import { decodeFields, decodeTable, encodeTable, isTable, isTyped } from '../../supervisor/amqp/fields.ts'
import { amqplibTables } from './amqplib.ts'
import { asAmqplibReads, table, tableToAmqplib, wildTable } from './arbitraries.ts'

function amqplibBytes(fields: object): Buffer {
  const buffer = Buffer.alloc(65536)
  return buffer.subarray(0, amqplibTables.encodeTable(buffer, fields, 0))
}

/** A table of one field `a` with these bytes after its name. */
function field(...parts: (string | number[])[]): Buffer {
  const body = Buffer.concat([Buffer.from([1, 0x61]), ...parts.map((part) => Buffer.from(part as string, 'latin1'))])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length)
  return Buffer.concat([size, body])
}

function decoded(bytes: Buffer): unknown {
  return decodeTable(bytes, 0).table.a
}

function fails(t: Test, bytes: Buffer): void {
  t.throws(() => decodeTable(bytes, 0), { name: 'CodecError', code: 502 }, bytes.toString('hex').slice(0, 60))
}

t.test('writes the bytes that amqplib writes', async () => {
  fc.assert(
    fc.property(table, (fields) => encodeTable(fields).equals(amqplibBytes(tableToAmqplib(fields)))),
    { numRuns: 500 },
  )
})

t.test('reads what amqplib reads', async () => {
  fc.assert(
    fc.property(table, (fields) => {
      const read = amqplibTables.decodeFields(encodeTable(fields).subarray(4))
      return isDeepStrictEqual(read, asAmqplibReads(fields))
    }),
    { numRuns: 500 },
  )
})

t.test('what is written is read again, whatever it is', async () => {
  fc.assert(
    fc.property(wildTable, fc.nat(9), (fields, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 0x55), encodeTable(fields), Buffer.alloc(3, 0x55)])
      const { table: again, end } = decodeTable(bytes, before)
      return isDeepStrictEqual(again, fields) && end === bytes.length - 3
    }),
    { numRuns: 1000 },
  )
})

t.test('reads every integer type that amqplib can name', async (t) => {
  const cases: [type: string, values: number[]][] = [
    ['byte', [-128, -1, 0, 127]],
    ['unsignedbyte', [0, 128, 255]],
    ['short', [-0x8000, -1, 0x7fff]],
    ['unsignedshort', [0, 0x8000, 0xffff]],
    ['int', [-0x80000000, -1, 0x7fffffff]],
    ['unsignedint', [0, 0x80000000, 0xffffffff]],
    ['long', [Number.MIN_SAFE_INTEGER, -1, 0, Number.MAX_SAFE_INTEGER]],
  ]
  for (const [type, values] of cases) {
    for (const value of values) t.equal(decoded(amqplibBytes({ a: { '!': type, value } })), value, `${type} ${value}`)
  }
  t.equal(decoded(field('L', [255, 255, 255, 255, 255, 255, 255, 254])), -2, 'L is signed, as in RabbitMQ')
  t.equal(decoded(field('l', [0x80, 0, 0, 0, 0, 0, 0, 0])), -(2n ** 63n), 'beyond 2^53 it is a bigint')
})

t.test('keeps the types that a number or a string would lose', async (t) => {
  const cases = [
    new TypedValue('double', 2),
    new TypedValue('double', -0),
    new TypedValue('float', 0.5),
    new TypedValue('longstr', Buffer.from([0x80])),
    new TypedValue('timestamp', 1),
  ]
  for (const value of cases) t.ok(isDeepStrictEqual(decoded(encodeTable({ a: value })), value), value.kind)
})

t.test('a table that looks like a typed value is still a table', async (t) => {
  const { table } = decodeTable(encodeTable({ a: { kind: 'timestamp', value: 'gotcha' } }), 0)
  t.ok(isTable(table.a))
  t.notOk(isTyped(table.a))
  t.same(table.a, { kind: 'timestamp', value: 'gotcha' })
})

t.test("a field named __proto__ is a field, and touches nobody's prototype", async (t) => {
  const hostile = Object.create(null, {
    ['__proto__']: { value: { polluted: true }, enumerable: true },
  })
  const { table } = decodeTable(encodeTable(hostile), 0)
  t.same(Object.keys(table), ['__proto__'])
  t.equal(Object.getPrototypeOf(table), null)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
})

t.test('of fields with one name the first counts', async (t) => {
  t.equal(decoded(field('t', [1], [1, 0x61], 't', [0])), true)
})

t.test('keeps nothing of the buffer that it reads from', async (t) => {
  const bytes = encodeTable({ a: Buffer.from('bytes'), b: new TypedValue('longstr', Buffer.from([0xff])) })
  const { table } = decodeTable(bytes, 0)
  bytes.fill(0)
  t.same(table.a, Buffer.from('bytes'))
  t.ok(isDeepStrictEqual(table.b, new TypedValue('longstr', Buffer.from([0xff]))))
})

t.test('leaves out what is undefined', async (t) => {
  t.same(encodeTable({ a: undefined }), Buffer.alloc(4))
})

t.test('refuses to write what nobody could read', async (t) => {
  t.throws(() => encodeTable({ a: Number.NaN }), RangeError)
  t.throws(() => encodeTable({ a: Number.POSITIVE_INFINITY }), RangeError)
  t.throws(() => encodeTable({ a: 2n ** 63n }), RangeError)
  t.throws(() => encodeTable({ ['n'.repeat(256)]: 1 }), RangeError)
  t.throws(() => encodeTable({ a: (() => 1) as never }), TypeError)
  t.same(encodeTable({ a: 1 }), field('I', [0, 0, 0, 1]), 'and can still write afterwards')
})

t.test('reads fields without a length in front: AMQPLAIN', async (t) => {
  const response = encodeTable({ LOGIN: 'guest', PASSWORD: 'sécret' }).subarray(4)
  t.same(decodeFields(response), { LOGIN: 'guest', PASSWORD: 'sécret' })
  t.throws(() => decodeFields(response.subarray(0, -1)), { code: 502 })
})

t.test('a table that ends anywhere too early is 502', async () => {
  fc.assert(
    fc.property(wildTable, fc.nat(), (fields, at) => {
      const bytes = encodeTable(fields)
      try {
        decodeTable(bytes.subarray(0, at % bytes.length), 0)
        return false
      } catch (error) {
        return error instanceof CodecError && error.code === 502
      }
    }),
    { numRuns: 500 },
  )
})

t.test('refuses what RabbitMQ refuses', async (t) => {
  fails(t, field('Z', [0]))
  fails(t, field('U', [0, 1]))
  fails(t, field('S', [0, 0, 0, 9], 'short'))
  fails(t, field('A', [0, 0, 0, 2], 't'))
  fails(t, field('A', [0, 0, 0, 1], 't', [1]))
  fails(t, field('F', [0, 0, 0, 3, 1, 0x61], 't', [1]))
  fails(t, field('F', [0xff, 0xff, 0xff, 0xff]))
  fails(t, field('d', [0x7f, 0xf8, 0, 0, 0, 0, 0, 0]))
  fails(t, field('d', [0xff, 0xf0, 0, 0, 0, 0, 0, 0]))
  fails(t, field('f', [0x7f, 0x80, 0, 0]))
  fails(t, field())
})

t.test('keeps the bytes of a name that is not UTF-8', async (t) => {
  const raw = Buffer.from([0, 0, 0, 4, 1, 0xff, 0x74, 1])
  const { table } = decodeTable(raw, 0)
  t.same(Object.keys(table), ['\udcff'])
  t.same(encodeTable(table), raw)
})

t.test('refuses tables and arrays nested deeper than 64, however deep', async (t) => {
  function nested(depth: number, tag: 'A' | 'F'): Buffer {
    const levels = []
    let size = 0
    for (let level = 0; level < depth; level++) {
      const head = Buffer.from(tag === 'F' ? [1, 0x61, 0x46, 0, 0, 0, 0] : [0x41, 0, 0, 0, 0])
      head.writeUInt32BE(size, head.length - 4)
      levels.unshift(head)
      size += head.length
    }
    return tag === 'F' ? Buffer.concat([uint32(size), ...levels]) : field(...levels.map((level) => [...level]))
  }
  function uint32(value: number): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return bytes
  }
  for (const tag of ['A', 'F'] as const) {
    t.doesNotThrow(() => decodeTable(nested(64, tag), 0), tag)
    fails(t, nested(65, tag))
    fails(t, nested(10_000, tag))
  }
})
