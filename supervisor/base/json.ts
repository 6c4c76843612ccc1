import { types } from 'node:util'
import { reasonOf, ValidationError } from './errors.ts'

/** Levels of objects and lists within each other: other languages' parsers stop about there, and recursion must end. */
const MAX_DEPTH = 1_000

/**
 * Data as JSON, if it arrives as it is. JSON drops, empties or rewrites what it has no form for (a Map becomes `{}`, NaN
 * becomes `null`), and the receiver would work with something that nobody sent. Only fields that are undefined are left
 * out, as optional fields are.
 * @param what names the data in the error: `The data for queue 'thumbnail'`
 * @throws ValidationError with the path of what JSON can't carry
 */
export function encodeJson(data: unknown, what: string, Failure: typeof ValidationError = ValidationError): string {
  try {
    if (isExact(data, 0)) return JSON.stringify(data)
  } catch (error) {
    // A getter that throws; or a text of over 512 MB.
    throw new Failure(what, [firstLoss(data) ?? { path: '', message: `expected data for JSON: ${reasonOf(error)}` }])
  }
  throw new Failure(what, [firstLoss(data) ?? { path: '', message: 'expected data that JSON can carry' }])
}

/** Whether a value is after JSON what it was before. Each message passes here: what isn't is looked for afterwards. */
function isExact(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object':
      return value === null || isExactObject(value, depth)
    default:
      return false
  }
}

function isExactObject(value: object, depth: number): boolean {
  if (depth >= MAX_DEPTH || (value as { toJSON?: unknown }).toJSON !== undefined) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isExact(value[i], depth + 1)) return false
    return true
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    if (isExotic(value)) return false
    return Object.values(value).every((field) => field === undefined || isExact(field, depth + 1))
  }
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key]
    if (field !== undefined && !isExact(field, depth + 1)) return false
  }
  return true
}

/** Objects whose content is not in their fields. */
function isExotic(value: object): boolean {
  return (
    ArrayBuffer.isView(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isNativeError(value) ||
    types.isPromise(value) ||
    types.isRegExp(value) ||
    types.isDate(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isBoxedPrimitive(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value)
  )
}

interface Loss {
  path: string
  message: string
}

function firstLoss(data: unknown): Loss | undefined {
  /** What the current value is in. */
  const around = new Set<object>()

  function find(value: unknown, path: string): Loss | undefined {
    if (typeof value !== 'object' || value === null) {
      return isExact(value, 0) ? undefined : { path, message: describe(value) }
    }
    if (around.has(value)) return { path, message: 'expected data that ends, found one that contains itself' }
    if (around.size >= MAX_DEPTH) return { path: '', message: `expected at most ${MAX_DEPTH} levels of nesting` }
    if ((value as { toJSON?: unknown }).toJSON !== undefined || isExotic(value))
      return { path, message: describe(value) }
    around.add(value)
    const loss = Array.isArray(value) ? findIn(value.keys(), value, path) : findIn(Object.keys(value), value, path)
    around.delete(value)
    return loss
  }

  function findIn(keys: Iterable<string | number>, within: object, path: string): Loss | undefined {
    for (const key of keys) {
      const inner = path === '' ? String(key) : `${path}.${key}`
      try {
        const value = (within as Record<string | number, unknown>)[key]
        // As an optional field that is not there. A list has no such thing.
        const loss = value === undefined && !Array.isArray(within) ? undefined : find(value, inner)
        if (loss) return loss
      } catch (error) {
        return { path: inner, message: `expected data, found a field that can't be read: ${reasonOf(error)}` }
      }
    }
    return undefined
  }

  return find(data, '')
}

function describe(value: unknown): string {
  const [found, hint] = whatIs(value)
  return `expected what JSON can carry, found ${found}: ${hint}`
}

function whatIs(value: unknown): [found: string, hint: string] {
  if (value === undefined) return ['undefined', 'send null, or leave it out']
  if (typeof value === 'number') return [String(value), 'it would arrive as null']
  if (typeof value === 'bigint') return ['a bigint', 'send it as text']
  if (typeof value !== 'object') return [`a ${typeof value}`, 'it would not arrive']
  if (types.isDate(value)) return ['a Date', 'it would arrive as text; send date.toISOString()']
  if (types.isMap(value)) return ['a Map', 'it would arrive empty; send Object.fromEntries(map) or [...map]']
  if (types.isSet(value)) return ['a Set', 'it would arrive empty; send [...set]']
  if (types.isPromise(value)) return ['a Promise', 'is an await missing?']
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return ['bytes', "send buffer.toString('base64')"]
  if (isExotic(value as object)) return [Object.prototype.toString.call(value), 'it would not arrive as that']
  return ['an object with toJSON', 'it would arrive as something else; send what toJSON gives']
}
