import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { createBus } from '../../supervisor/base/create-bus.ts'
import { defineFanout, defineQueue } from '../../supervisor/base/definitions.ts'
import { ValidationError } from '../../supervisor/base/errors.ts'
import { encodeJson } from '../../supervisor/base/json.ts'
import type { Envelope } from '../../supervisor/base/message.ts'

const circular: Record<string, unknown> = { a: 1 }
circular.inner = { list: [circular] }
const deep = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
class Money {
  cents = 5
}
class Priced extends Money {
  toJSON() {
    return `${this.cents} cents`
  }
}

const REFUSED: [what: string, value: unknown, found: RegExp][] = [
  ['a bigint', 1n, /found a bigint/],
  ['a function', () => {}, /found a function/],
  ['a symbol', Symbol('s'), /found a symbol/],
  ['NaN', Number.NaN, /found NaN/],
  ['infinity', -Infinity, /found -Infinity/],
  ['a Map', new Map([[1, 2]]), /found a Map/],
  ['a Set', new Set([1]), /found a Set/],
  ['a Date', new Date(0), /found a Date.*toISOString/],
  ['a Buffer', Buffer.from('x'), /base64/],
  ['a typed array', new Float32Array(2), /base64/],
  ['an ArrayBuffer', new ArrayBuffer(2), /base64/],
  ['an error', new Error('x'), /\[object Error\]/],
  ['a regular expression', /x/, /\[object RegExp\]/],
  ['a promise', Promise.resolve(1), /is an await missing/],
  ['a boxed text', Object('x'), /\[object String\]/],
  ['toJSON', new Priced(), /toJSON/],
  ['a URL', new URL('http://a'), /toJSON/],
  ['a circular object', circular, /contains itself/],
  [
    'a field that throws',
    {
      get bad() {
        throw new Error('no')
      },
    },
    /can't be read: no/,
  ],
  ['a Map of another realm', runInNewContext('new Map([[1, 2]])'), /found a Map/],
]

const ARRIVE: [what: string, value: unknown, as?: unknown][] = [
  ['plain data', { a: [1, 'x', true, null, { b: -0.5 }] }],
  ['an optional field', { a: undefined, b: 1 }, { b: 1 }],
  ['an instance of a class', new Money(), { cents: 5 }],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ['an object of another realm', runInNewContext('({ a: [1] })'), { a: [1] }],
  ['the same object twice', ((one) => [one, one])({ a: 1 }), [{ a: 1 }, { a: 1 }]],
  ['lone surrogates', '\ud800'],
  ['many levels', deep(900)],
  ['a frozen object', Object.freeze({ a: 1 })],
  ['__proto__', JSON.parse('{"__proto__":{"a":1}}')],
]

t.test('what would arrive as something else is refused, with its path', async (t) => {
  for (const [what, value, found] of REFUSED) {
    for (const [path, data] of [
      ['', value],
      ['a', { a: value }],
      ['a.1.b', { x: 1, a: [0, { b: value }] }],
    ] as const) {
      try {
        encodeJson(data, 'The data')
        t.fail(`${what} at '${path}'`)
      } catch (error) {
        t.ok(error instanceof ValidationError, what)
        const [issue] = (error as ValidationError).issues
        t.match(issue?.message, found, what)
        if (!/circular|throws/.test(what)) t.equal(issue?.path, path, what)
      }
    }
  }
  for (const list of [[1, undefined], Array(2)]) {
    t.throws(() => encodeJson(list, 'The data'), /found undefined: send null/)
  }
  t.throws(() => encodeJson(undefined, 'The data'), /\(root\): .*found undefined/)
  t.throws(() => encodeJson(deep(1_001), 'The data'), /at most 1000 levels/)
  t.throws(() => encodeJson(deep(100_000), 'The data'), ValidationError)
})

t.test('everything else arrives as it is', async (t) => {
  for (const [what, value, as = value] of ARRIVE) t.same(JSON.parse(encodeJson(value, 'The data')), as, what)
})

t.test('whatever is encoded arrives as it is; nothing else throws another error', async () => {
  const values = fc.anything({
    withBigInt: true,
    withMap: true,
    withSet: true,
    withDate: true,
    withTypedArray: true,
    withNullPrototype: true,
    withSparseArray: true,
    withBoxedValues: true,
  })
  fc.assert(
    fc.property(values, (value) => {
      try {
        const json = encodeJson(value, 'The data')
        // The same again from what has arrived.
        if (encodeJson(JSON.parse(json), 'The data') !== json) throw new Error(`not stable: ${json}`)
        if (json !== JSON.stringify(value)) throw new Error('not what JSON makes of it')
      } catch (error) {
        if (!(error instanceof ValidationError)) throw error
      }
    }),
    { numRuns: 1_000 },
  )
})

t.test('a bus sends nothing that arrives as something else', async (t) => {
  const sent: Envelope[] = []
  const bus = createBus({
    deliver: async (envelope) => void sent.push(envelope),
    request: async (envelope) => {
      sent.push(envelope)
      return Buffer.from('null')
    },
  })
  const queue = defineQueue('q', { data: z.any(), result: z.any() })
  const fanout = defineFanout('f', { data: z.object({ extra: z.unknown() }) })
  for (const [what, value] of REFUSED) {
    await t.rejects(bus.send(queue, value), { name: 'ValidationError', message: /^The data for queue 'q'/ }, what)
    await t.rejects(bus.publish(fanout, { extra: value }), { name: 'ValidationError', message: /extra/ }, what)
    await t.rejects(bus.call(queue, value), ValidationError, what)
  }
  t.equal(sent.length, 0)
  await bus.send(queue, { a: undefined, b: 1 })
  t.equal(sent[0]?.body.toString(), '{"b":1}')
})
