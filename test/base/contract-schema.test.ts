import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { z } from 'zod'
import { schemaProblems } from '../../supervisor/base/contract-schema.ts'
import { defineFanout, defineQueue } from '../../supervisor/base/definitions.ts'
import { DefinitionError } from '../../supervisor/base/errors.ts'

const shout = z.string().transform((text) => `${text}!`)

interface Tree {
  name: string
  children: Tree[]
}
const tree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string().trim(), children: z.array(tree) }))

const REFUSED: [what: string, schema: z.ZodType, problem: RegExp][] = [
  ['a transform', shout, /^data: .* found a transform\(\)\. Do that in the handler/],
  ['one in an object', z.object({ a: z.object({ b: shout }) }), /^data\.a\.b: /],
  ['one in a list', z.array(shout), /^data\.\*: /],
  ['one in a tuple', z.tuple([z.string(), shout]), /^data\.1: /],
  ['one in a rest', z.tuple([z.string()], shout), /^data\.\*: /],
  ['one in a record', z.record(z.string(), shout), /^data\.\*: /],
  ['one in a union', z.object({ a: z.union([z.int(), shout]) }), /^data\.a: /],
  ['one behind wrappers', z.object({ a: shout.optional().nullable().default('x').readonly() }), /^data\.a: /],
  ['one in an intersection', z.intersection(z.object({ a: shout }), z.object({ b: z.int() })), /^data\.a: /],
  ['one in a lazy part', z.object({ a: z.lazy(() => shout) }), /^data\.a: /],
  ['one in a catchall', z.object({}).catchall(shout), /^data\.\*: /],
  ['one that is piped into its own type', shout.pipe(z.string()), /a transform from string to string/],
  ['a preprocess', z.preprocess((value) => value, z.string()), /a preprocess\(\)/],
  [
    'a codec of one type',
    z.codec(z.string(), z.string(), { decode: (a) => `${a}!`, encode: (a) => a }),
    /from string to string/,
  ],
  [
    'a codec whose output the other option takes',
    z.union([
      z.codec(z.string(), z.number(), { decode: Number, encode: String }),
      z.codec(z.number(), z.string(), { decode: String, encode: Number }),
    ]),
    /from string to number/,
  ],
  [
    'an overwrite that does not settle',
    z.object({ a: z.string().overwrite((text) => `${text}!`) }),
    /^data\.a: .* an overwrite\(\)/,
  ],
  ['one of a number', z.number().overwrite((n) => n * 2), /an overwrite\(\)/],
]

/** With data that the schema takes. */
const TAKEN: [what: string, schema: z.ZodType, data: unknown][] = [
  [
    'plain data',
    z.object({ id: z.uuid(), width: z.int().min(16).max(2048) }),
    { id: '018f3c5e-7f1e-7b1e-9b1e-3c5e7f1e7b1e', width: 20 },
  ],
  [
    'defaults',
    z.object({ a: z.string().default('x'), b: z.int().optional(), c: z.string().trim().prefault(' y ') }),
    {},
  ],
  ['a catch', z.object({ a: z.int().catch(7) }), { a: 'x' }],
  ['texts tidied up', z.string().trim().toLowerCase().normalize(), '  A\u0301b '],
  ['a list tidied up', z.array(z.string()).overwrite((list) => [...new Set(list)].sort()), ['b', 'a', 'b']],
  [
    'coercion',
    z.object({ n: z.coerce.number(), s: z.coerce.string(), b: z.coerce.boolean() }),
    { n: '5', s: 7, b: 'false' },
  ],
  [
    'a text that becomes a Date',
    z.iso
      .datetime()
      .transform((text) => new Date(text))
      .pipe(z.date()),
    '2026-01-01T00:00:00Z',
  ],
  [
    'the same as a codec',
    z.object({
      at: z.codec(z.iso.datetime(), z.date(), { decode: (a) => new Date(a), encode: (a) => a.toISOString() }),
    }),
    { at: '2026-01-01T00:00:00Z' },
  ],
  ['a text that becomes a boolean', z.object({ yes: z.stringbool().optional() }), { yes: 'on' }],
  [
    'a text or a number that becomes a number',
    z.union([z.string().transform(Number).pipe(z.number()), z.number()]),
    '12',
  ],
  ['a pipe without a transform', z.string().pipe(z.email()), 'ada@example.org'],
  ['a tree', tree, { name: ' a ', children: [{ name: 'b ', children: [] }] }],
  [
    'a union',
    z.discriminatedUnion('t', [z.object({ t: z.literal('a'), n: z.int() }), z.object({ t: z.enum(['b', 'c']) })]),
    { t: 'c' },
  ],
  ['refined data', z.string().refine((text) => text !== 'x'), 'y'],
  ['anything', z.any(), { a: [1, null] }],
]

t.test('a contract whose data would be changed by each parse is refused, with the path', async (t) => {
  for (const [what, schema, problem] of REFUSED) {
    const problems = schemaProblems('data', schema)
    t.ok(problems.length > 0, what)
    t.match(problems[0], problem, what)
    t.throws(() => defineQueue('q', { data: schema }), DefinitionError)
    t.throws(() => defineFanout('f', { data: schema }), DefinitionError)
    t.ok(defineQueue('q', { data: z.string(), result: schema }), 'a result is parsed once, at the caller')
  }
})

t.test('a contract that is taken gives the same when its output is parsed again, or refuses that', async (t) => {
  for (const [what, schema, data] of TAKEN) {
    t.same(schemaProblems('data', schema), [], what)
    const first = schema.safeParse(data)
    t.ok(first.success, what)
    const again = schema.safeParse(first.data)
    t.ok(!again.success || isDeepStrictEqual(again.data, first.data), what)
  }
})

t.test('what was refused would change', async (t) => {
  for (const [schema, data] of [
    [shout, 'a'],
    [shout.pipe(z.string()), 'a'],
    [z.string().overwrite((text) => `${text}!`), 'a'],
  ] as const) {
    t.not(schema.parse(schema.parse(data)), schema.parse(data))
  }
})
