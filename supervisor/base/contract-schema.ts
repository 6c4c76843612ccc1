import { z } from 'zod'
import { reasonOf } from './errors.ts'

/**
 * What keeps a schema from being a contract's, each in a sentence that begins with the path. Two things do:
 * - JSON can't carry its data (a Date, a Map, a bigint): it would pass at the sender and fail at the handler.
 * - Parsing twice is not parsing once. A route's `body()` parses, and the handler parses what it has sent: `a` with a
 *   transform that adds `!` would arrive as `a!!`. Where the output is of another type than the input, as a text that
 *   becomes a Date, sending it again is an error to the compiler and to the bus, so nothing is parsed twice unseen.
 * @param once whether the data is parsed at one end only, as a result is
 */
export function schemaProblems(name: string, schema: unknown, { once = false }: { once?: boolean } = {}): string[] {
  if (!(schema instanceof z.ZodType)) return [`${name}: expected a zod schema, found ${kindOfValue(schema)}`]
  try {
    z.toJSONSchema(schema, { io: 'input' })
  } catch (error) {
    return [`${name}: expected a schema of what JSON can carry, found one that it can't: ${reasonOf(error)}`]
  }
  return once ? [] : repeatedlyParsed(name, schema)
}

/** The parts of zod's definitions that are looked at (https://zod.dev/library-authors). */
interface Def {
  type: string
  checks?: readonly { _zod: { def: { check: string; tx?: (value: unknown) => unknown } } }[]
  shape?: object
  catchall?: z.ZodType
  element?: z.ZodType
  items?: readonly z.ZodType[]
  rest?: z.ZodType | null
  options?: readonly z.ZodType[]
  left?: z.ZodType
  right?: z.ZodType
  keyType?: z.ZodType
  valueType?: z.ZodType
  innerType?: z.ZodType
  getter?: () => z.ZodType
  in?: z.ZodType
  out?: z.ZodType
  transform?: unknown
  entries?: object
  values?: readonly unknown[]
}

const defOf = (schema: z.ZodType) => schema._zod.def as unknown as Def

/** Where parsing the output again would not give the same. */
function repeatedlyParsed(name: string, schema: z.ZodType): string[] {
  const problems: string[] = []
  const seen = new Set<z.ZodType>()
  visit(schema, name, [])
  return problems

  /** @param beside what else is accepted in its place, by the options of a union */
  function visit(part: z.ZodType, path: string, beside: readonly z.ZodType[]): void {
    if (seen.has(part)) return
    seen.add(part)
    const def = defOf(part)
    const { checks = [] } = def
    if (checks.some(({ _zod }) => _zod.def.tx && !isIdempotent(_zod.def.tx, def.type))) {
      problems.push(`${path}: ${EXPECTED} an overwrite() that changes its own output. ${DO_INSTEAD}`)
    }
    if (changes(part)) {
      const accepted = new Set([part, ...beside.filter(changes)].flatMap((one) => [...types(one, 'in')]))
      const given = types(part, 'out')
      const isOther =
        !accepted.has('anything') && !given.has('anything') && [...given].every((type) => !accepted.has(type))
      if (!isOther) problems.push(`${path}: ${EXPECTED} ${describe(part)}. ${DO_INSTEAD}`)
      return
    }
    for (const [key, inner, others = []] of partsOf(def)) visit(inner, key ? `${path}.${key}` : path, others)
  }
}

const EXPECTED =
  'expected a schema that leaves alone what it has parsed, because both the sender and the handler parse; found'
const DO_INSTEAD = 'Do that in the handler, or let another type come out: .transform(…).pipe(z.date())'

function describe(pipe: z.ZodType): string {
  const [from, to] = [types(pipe, 'in'), types(pipe, 'out')]
  if (from.has('anything')) return 'a preprocess()'
  return to.has('anything') ? 'a transform()' : `a transform from ${[...from].join(' or ')} to ${[...to].join(' or ')}`
}

/** Whether it is a pipe with a transform of its own, as `.transform()`, `z.preprocess()` and `z.codec()` make. */
function changes(schema: z.ZodType): boolean {
  const def = defOf(schema)
  if (def.innerType) return def.type !== 'default' && def.type !== 'catch' && changes(def.innerType)
  if (def.type === 'transform' || def.type === 'success') return true
  if (def.type !== 'pipe') return false
  return typeof def.transform === 'function' || [def.in, def.out].some((side) => side && changes(side))
}

function partsOf(def: Def): [key: string, part: z.ZodType, others?: readonly z.ZodType[]][] {
  const { shape = {}, items = [], options = [], in: from, out: to, getter, innerType, left, right } = def
  const { catchall, element, rest, keyType, valueType } = def
  const parts: [string, z.ZodType | null | undefined, (readonly z.ZodType[])?][] = [
    ...(Object.entries(shape) as [string, z.ZodType][]),
    ...items.map((item, i): [string, z.ZodType] => [String(i), item]),
    ...options.map((option): [string, z.ZodType, readonly z.ZodType[]] => ['', option, options]),
    ...[catchall, element, rest, keyType, valueType].map((part): [string, typeof part] => ['*', part]),
    ...[from, to, getter?.(), innerType, left, right].map((part): [string, typeof part] => ['', part]),
  ]
  return parts.filter((part): part is [string, z.ZodType] => part[1] != null)
}

/** The types of value that a schema accepts, or that come out of it. */
function types(schema: z.ZodType, side: 'in' | 'out', outer: readonly z.ZodType[] = []): Set<string> {
  const def = defOf(schema)
  const of = (inner: z.ZodType) => (outer.includes(inner) ? new Set<string>() : types(inner, side, [...outer, schema]))
  switch (def.type) {
    case 'pipe':
      return of(def[side] as z.ZodType)
    case 'template_literal':
      return new Set(['string'])
    case 'tuple':
      return new Set(['array'])
    case 'record':
      return new Set(['object'])
    case 'enum':
      return new Set(Object.values(def.entries ?? {}).map(kindOfValue))
    case 'literal':
      return new Set((def.values ?? []).map(kindOfValue))
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
    case 'array':
    case 'object':
    case 'date':
    case 'bigint':
    case 'map':
    case 'set':
      // What is coerced may come as anything.
      return new Set([side === 'in' && 'coerce' in def && def.coerce ? 'anything' : def.type])
    case 'union':
      return new Set((def.options ?? []).flatMap((option) => [...of(option)]))
    case 'lazy':
      return of((def.getter as () => z.ZodType)())
    // Null and undefined pass these two as they are.
    case 'nullable':
    case 'optional':
    case 'readonly':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
      return of(def.innerType as z.ZodType)
    default:
      return new Set(['anything'])
  }
}

const SAMPLES = new Map<string, readonly unknown[]>([
  ['string', ['', 'a', ' A b ', 'Ünï\u0301\t', '12', 'a-b_c', 'https://Example.org/a b']],
  ['number', [0, 1, -1.5, 7.25, 1e6]],
  ['boolean', [true, false]],
  ['array', [[], ['b', 'a', 'a'], [3, 1, 2]]],
])

/** Whether an `overwrite`, such as `.trim()`, gives the same when it is done twice: tried on samples of its type. */
function isIdempotent(tx: (value: unknown) => unknown, type: string): boolean {
  return (SAMPLES.get(type) ?? [{}]).every(function staysTheSame(sample) {
    try {
      const first = tx(structuredClone(sample))
      const json = JSON.stringify(first)
      return JSON.stringify(tx(first)) === json
    } catch {
      return true
    }
  })
}

function kindOfValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : typeof value
}
