import fc from 'fast-check'
import { TypedValue } from '../../supervisor/amqp/field-values.ts'
import { type FieldValue, isTyped, type Table, timestamp } from '../../supervisor/amqp/fields.ts'

/** A string that fits into 255 bytes, any characters. */
export const shortstr: fc.Arbitrary<string> = fc
  .oneof(fc.string({ maxLength: 255 }), fc.string({ unit: 'binary', maxLength: 63 }))
  .filter((text) => Buffer.byteLength(text) <= 255)

/** A name of a field. Never amqplib's trapdoor for types, and nothing that its plain objects would swallow. */
const name = fc
  .oneof(shortstr, fc.constantFrom('x-death', 'kind', 'value', 'constructor', 'toString', 'length'))
  .filter((text) => text !== '!' && text !== '__proto__')

const buffer = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })

/** A scalar of each kind the way the decoder gives it, so that encoding and decoding it changes nothing. */
const scalar: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
  fc.maxSafeInteger(),
  int64.filter((value) => !Number.isSafeInteger(Number(value))),
  finite.map((value) => (Number.isSafeInteger(value) ? new TypedValue('double', value) : value)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => new TypedValue('float', value)),
  fc.maxSafeNat().map(timestamp),
  fc
    .record({ places: fc.nat(255), digits: fc.nat(0xffffffff) }, { noNullPrototype: true })
    .map((value) => new TypedValue('decimal', value)),
  buffer,
)

function tablesOf(leaf: fc.Arbitrary<FieldValue>, names: fc.Arbitrary<string>): fc.Arbitrary<Table> {
  const { table } = fc.letrec<{ value: FieldValue; table: Table }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 4 }), tie('table')),
    table: fc.array(fc.tuple(names, tie('value')), { maxLength: 5 }).map(withoutPrototype),
  }))
  return table
}

function withoutPrototype(entries: [string, FieldValue][]): Table {
  const table: Table = Object.create(null)
  for (const [key, value] of entries) table[key] = value
  return table
}

/** A nested table of everything that amqplib can say, too. */
export const table = tablesOf(scalar, name)

/** A nested table of everything: names that are special in JavaScript, long strings that are not UTF-8. */
export const wildTable = tablesOf(
  fc.oneof(
    scalar,
    buffer.map((bytes) => new TypedValue('longstr', Buffer.concat([Buffer.from([0xff]), bytes]))),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }).map(timestamp),
  ),
  fc.oneof(name, fc.constantFrom('__proto__', '!')),
)

/** The same value in amqplib's words, every type named. */
export function toAmqplib(value: FieldValue | undefined): unknown {
  if (typeof value === 'bigint') return { '!': 'long', value }
  if (typeof value === 'number') return { '!': numberType(value), value }
  if (isTyped(value)) return { '!': value.kind, value: value.value }
  if (Array.isArray(value)) return value.map(toAmqplib)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return tableToAmqplib(value as Table)
}

/** `toAmqplib` for a table, with a prototype, as amqplib's users have. */
export function tableToAmqplib(from: Table): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, toAmqplib(value)]))
}

function numberType(value: number): string {
  if (!Number.isSafeInteger(value)) return 'double'
  return value === (value | 0) ? 'int' : 'long'
}

/** What amqplib makes of the value when it reads it. */
export function asAmqplibReads(value: FieldValue | undefined): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (isTyped(value)) {
    return value.kind === 'float' || value.kind === 'double' ? value.value : { '!': value.kind, value: value.value }
  }
  if (Array.isArray(value)) return value.map(asAmqplibReads)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return Object.fromEntries(Object.entries(value as Table).map(([key, inner]) => [key, asAmqplibReads(inner)]))
}
