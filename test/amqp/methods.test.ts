import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { CodecError } from '../../supervisor/amqp/errors.ts'
import {
  decodeMethod,
  encodeMethod,
  METHOD_IDS,
  type MethodName,
  type OutgoingMethod,
} from '../../supervisor/amqp/methods.ts'
import { type Domain, SPEC } from '../../supervisor/amqp/spec.ts'
import { amqplib, amqplibMethods } from './amqplib.ts'
import { asAmqplibReads, shortstr, table, tableToAmqplib } from './arbitraries.ts'

const domains: Record<Domain, fc.Arbitrary<unknown>> = {
  bit: fc.boolean(),
  octet: fc.nat(255),
  short: fc.nat(0xffff),
  long: fc.nat(0xffffffff),
  longlong: fc.maxSafeNat(),
  shortstr,
  replytext: shortstr,
  longstr: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  table,
}

const names = Object.keys(SPEC) as MethodName[]

function argumentsOf(name: MethodName): readonly (readonly [string, Domain])[] {
  return SPEC[name][2]
}

/** The method with any arguments. */
function anyOf(name: MethodName): fc.Arbitrary<OutgoingMethod> {
  const args = argumentsOf(name).filter(([argument]) => argument !== '')
  const fields = Object.fromEntries(args.map(([argument, domain]) => [argument, domains[domain]]))
  return fc.record({ name: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<OutgoingMethod>
}

const channel = fc.nat(0xffff)

function infoOf(name: MethodName) {
  const info = amqplibMethods.get(METHOD_IDS[name].join('.'))
  if (!info) throw new Error(`amqplib does not know ${name}`)
  return info
}

/** Our arguments by amqplib's names; reserved ones are left to its defaults, but for access.request-ok's ticket. */
function forAmqplib(name: MethodName, method: object, convert: (table: never) => unknown): Record<string, unknown> {
  const { args } = infoOf(name)
  const values = method as Record<string, unknown>
  return Object.fromEntries(
    argumentsOf(name).flatMap(([argument, domain], index) => {
      if (!argument) return []
      const theirs = args[index]?.name ?? ''
      return [[theirs, domain === 'table' ? convert(values[argument] as never) : values[argument]]]
    }),
  )
}

t.test("has all methods that amqplib has, with the same arguments in amqplib's order", async (t) => {
  t.equal(names.length, amqplibMethods.size)
  for (const name of names) {
    const { args, name: theirs } = infoOf(name)
    t.equal(name.replace(/[.-]/g, ''), theirs.toLowerCase())
    for (const [index, [argument, domain]] of argumentsOf(name).entries()) {
      const other = args[index]
      t.equal(domain === 'replytext' ? 'shortstr' : domain, other?.type, `${name} ${index}`)
      if (argument) t.equal(argument.toLowerCase(), other?.name.toLowerCase())
    }
    t.equal(argumentsOf(name).length, args.length)
  }
})

for (const name of names) {
  t.test(`${name}: the same bytes as amqplib's, read by both`, async () => {
    const { id } = infoOf(name)
    fc.assert(
      fc.property(anyOf(name), channel, (method, number) => {
        const frame = encodeMethod(number, method)
        const theirs = amqplib.encodeMethod(id, number, forAmqplib(name, method, tableToAmqplib as never))
        const payload = frame.subarray(7, -1)
        const read = amqplib.decode(id, payload.subarray(4))
        const expected = forAmqplib(name, method, asAmqplibReads as never)
        const shared = Object.fromEntries(Object.keys(expected).map((key) => [key, read[key]]))
        return (
          frame.equals(theirs) &&
          isDeepStrictEqual(decodeMethod(payload), { ...method }) &&
          isDeepStrictEqual(shared, expected)
        )
      }),
      { numRuns: 60 },
    )
  })

  t.test(`${name}: 501 or 502 with its ids when it ends too early or late`, async () => {
    fc.assert(
      fc.property(anyOf(name), fc.nat(), (method, at) => {
        const payload = encodeMethod(1, method).subarray(7, -1)
        const size = 4 + (at % (payload.length - 3))
        const wrong = size === payload.length ? Buffer.concat([payload, Buffer.alloc(1)]) : payload.subarray(0, size)
        try {
          decodeMethod(wrong)
          return false
        } catch (error) {
          if (!(error instanceof CodecError)) return false
          const { code, classId, methodId } = error
          return (code === 501 || code === 502) && isDeepStrictEqual([classId, methodId], [...METHOD_IDS[name]])
        }
      }),
      { numRuns: 20 },
    )
  })
}

t.test('arguments that are left out are zeros', async (t) => {
  t.same(decodeMethod(encodeMethod(1, { name: 'queue.declare' }).subarray(7, -1)), {
    name: 'queue.declare',
    queue: '',
    passive: false,
    durable: false,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  })
  t.same(decodeMethod(encodeMethod(1, { name: 'basic.get-ok' }).subarray(7, -1)), {
    name: 'basic.get-ok',
    deliveryTag: 0,
    redelivered: false,
    exchange: '',
    routingKey: '',
    messageCount: 0,
  })
})

t.test('long strings are written from text, too, and read as bytes', async (t) => {
  const method = decodeMethod(encodeMethod(0, { name: 'connection.start', mechanisms: 'PLAIN é' }).subarray(7, -1))
  t.same(method.name === 'connection.start' && method.mechanisms, Buffer.from('PLAIN é'))
})

t.test('reply texts are cut to 255 bytes, between characters', async (t) => {
  const cut = (replyText: string) => {
    const method = decodeMethod(encodeMethod(0, { name: 'channel.close', replyText }).subarray(7, -1))
    return method.name === 'channel.close' ? method.replyText : ''
  }
  t.equal(cut('x'.repeat(255)), 'x'.repeat(255))
  t.equal(cut('x'.repeat(256)), `${'x'.repeat(252)}...`)
  t.equal(cut('é'.repeat(127)), 'é'.repeat(127))
  t.equal(cut('é'.repeat(128)), `${'é'.repeat(126)}...`)
  t.equal(cut(`x${'é'.repeat(128)}`), `x${'é'.repeat(125)}...`)
  t.equal(cut('🐇'.repeat(70)), `${'🐇'.repeat(63)}...`)
})

t.test('any other short string that is too long is a mistake of ours', async (t) => {
  t.throws(() => encodeMethod(1, { name: 'basic.publish', routingKey: 'é'.repeat(128) }), RangeError)
  t.throws(() => encodeMethod(1, { name: 'basic.nope' } as never), TypeError)
})

t.test('a number that does not fit is a mistake of ours', async (t) => {
  const mistakes: OutgoingMethod[] = [
    { name: 'basic.qos', prefetchCount: 65536 },
    { name: 'basic.qos', prefetchSize: 2 ** 32 },
    { name: 'basic.qos', prefetchCount: -1 },
    { name: 'basic.qos', prefetchCount: 1.5 },
    { name: 'connection.start', versionMajor: 256 },
    { name: 'basic.ack', deliveryTag: -1 },
    { name: 'basic.ack', deliveryTag: 2 ** 53 },
  ]
  for (const method of mistakes) t.throws(() => encodeMethod(1, method), RangeError)
  t.throws(() => encodeMethod(65536, { name: 'basic.ack' }), RangeError)
})

t.test('a method larger than the usual buffer', async (t) => {
  const method = { name: 'queue.declare', arguments: { large: 'x'.repeat(3_000_000) } } as const
  const frame = encodeMethod(1, method)
  t.equal(frame.readUInt32BE(3), frame.length - 8)
  const read = decodeMethod(frame.subarray(7, -1))
  t.equal(read.name === 'queue.declare' && (read.arguments.large as string).length, 3_000_000)
  t.equal(encodeMethod(1, { name: 'basic.ack' }).length, 21)
})

t.test('errors', async (t) => {
  t.throws(() => decodeMethod(Buffer.from([0, 60, 0])), { code: 501, classId: 0, methodId: 0 })
  t.throws(() => decodeMethod(Buffer.alloc(0)), { code: 501 })
  t.throws(() => decodeMethod(Buffer.from([0, 60, 0, 99])), { code: 503, classId: 60, methodId: 99 })
  t.throws(() => decodeMethod(Buffer.from([0, 77, 0, 10])), { code: 503, classId: 77, methodId: 10 })
  t.throws(() => decodeMethod(Buffer.from([0, 60, 0, 70, 0, 0, 1, 0xff, 0])), { code: 501, classId: 60, methodId: 70 })
  const ack = [0, 60, 0, 80, 0, 0x20, 0, 0, 0, 0, 0, 0, 0]
  t.throws(() => decodeMethod(Buffer.from(ack)), { code: 501, message: /9007199254740992/ })
  const declare = encodeMethod(1, { name: 'queue.declare', arguments: { a: true } }).subarray(7, -1)
  declare[declare.length - 2] = 'Z'.charCodeAt(0)
  t.throws(() => decodeMethod(declare), { code: 502, classId: 50, methodId: 10 })
})

t.test('unused bits of an octet mean nothing', async (t) => {
  const payload = Buffer.from([0, 60, 0, 70, 0, 0, 0, 0xff])
  t.same(decodeMethod(payload), { name: 'basic.get', queue: '', noAck: true })
})
