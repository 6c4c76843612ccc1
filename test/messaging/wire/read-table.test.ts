import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createTableReader } from '../../../supervisor/messaging/wire/read-table.ts'

/** A field: its name, and its value as octets with its type before them. */
const field = (name: string, value: Buffer) =>
  Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), value])
const typed = (type: string, ...octets: number[]) => Buffer.from([type.charCodeAt(0), ...octets])
const long = (bytes: Buffer) => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}
const nested = (type: 'F' | 'A', bytes: Buffer) => Buffer.concat([typed(type), long(bytes)])

function read(fields: Buffer) {
  const reader = createTableReader()
  const table = reader.read(fields, 0, fields.length)
  return { table, unreadable: reader.unreadable }
}

t.test('every type that a broker passes on', async (t) => {
  const max = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
  const cases: [Buffer, unknown][] = [
    [typed('t', 1), true],
    [typed('b', 0xff), -1],
    [typed('B', 0xff), 255],
    [typed('s', 0xff, 0xfe), -2],
    [typed('u', 0xff, 0xfe), 65_534],
    [typed('I', 0xff, 0xff, 0xff, 0xff), -1],
    [typed('i', 0xff, 0xff, 0xff, 0xff), 4_294_967_295],
    [typed('l', ...max), 2n ** 63n - 1n],
    [typed('L', 0, 0, 0, 1, 0, 0, 0, 0), 4_294_967_296],
    [typed('f', 0x3f, 0x80, 0, 0), 1],
    [typed('d', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5],
    [typed('D', 2, 0, 0, 0, 5), { '!': 'decimal', value: { places: 2, digits: 5 } }],
    [Buffer.concat([typed('S'), long(Buffer.from('Ξ'))]), 'Ξ'],
    [Buffer.concat([typed('S'), long(Buffer.from([0xe9]))]), Buffer.from([0xe9])],
    [Buffer.concat([typed('x'), long(Buffer.from('ab'))]), Buffer.from('ab')],
    [typed('T', 0, 0, 0, 0, 0, 0, 0, 9), { '!': 'timestamp', value: 9 }],
    [typed('T', 0xff, ...max.slice(1)), { '!': 'timestamp', value: 2n ** 64n - 1n }],
    [typed('V'), null],
    [nested('A', Buffer.concat([typed('t', 1), typed('V')])), [true, null]],
  ]
  const { table, unreadable } = read(Buffer.concat(cases.map(([value], n) => field(`f${n}`, value))))
  for (const [n, [, expected]] of cases.entries()) t.strictSame(table[`f${n}`], expected, `field ${n}`)
  t.same(unreadable, [])
})

t.test('no name is special', async (t) => {
  const inner = nested('F', Buffer.concat([field('toString', typed('t', 1)), field('x-attempt', typed('b', 9))]))
  const { table } = read(Buffer.concat([field('__proto__', inner), field('constructor', typed('b', 1))]))
  t.equal(table['x-attempt'], undefined)
  t.equal(table.toString, undefined)
  t.same(Object.keys(table), ['__proto__', 'constructor'])
  t.same(Object.keys(Object.getOwnPropertyDescriptor(table, '__proto__')?.value), ['toString', 'x-attempt'])
})

t.test('of the same name the first counts', async (t) => {
  t.equal(read(Buffer.concat([field('a', typed('b', 1)), field('a', typed('b', 2))])).table.a, 1)
})

t.test('what is nested too deep is missing alone', async (t) => {
  let deep = typed('V')
  for (let depth = 0; depth < 5_000; depth++) deep = nested('F', field('a', deep))
  const { table, unreadable } = read(Buffer.concat([field('deep', deep), field('next', typed('b', 1))]))
  t.same([table.deep, table.next], [undefined, 1])
  t.same(unreadable, ['headers.deep'])
})

t.test('an unknown type hides what follows it, and no more than its own table', async (t) => {
  const broken = read(Buffer.concat([field('a', typed('b', 1)), field('b', typed('?', 1)), field('c', typed('b', 1))]))
  t.equal(broken.table.a, 1)
  t.same(Object.keys(broken.table), ['a'])
  t.same(broken.unreadable, ['headers.b', 'headers'])
  const inside = read(Buffer.concat([field('t', nested('F', field('b', typed('?')))), field('c', typed('b', 1))]))
  t.same(Object.keys(inside.table), ['c'])
  t.same(inside.unreadable, ['headers.t'])
})

t.test('any octets are read as something', async (t) => {
  const octets = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(fc.constantFrom(...Buffer.from('tbBsuIilLfdDSATFVx\0\0\0\x01\x03')), { maxLength: 200 }),
  )
  fc.assert(
    fc.property(octets, (bytes) => {
      const { table } = read(Buffer.from(bytes))
      assert.equal(typeof table, 'object')
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})
