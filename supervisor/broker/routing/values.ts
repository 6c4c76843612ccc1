import { type FieldValue, isTyped, type Typed } from '../../amqp/fields.ts'

/**
 * Whether two field values are the same; numbers are, whatever width they were sent with.
 * @param count gets how many values were looked at inside of these
 */
export function isSame(
  a: FieldValue | undefined,
  b: FieldValue | undefined,
  count: (values: number) => void = () => {},
): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b)) return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b)
  const [first, second] = [Object.entries(a), b as unknown as Record<string, FieldValue>]
  count(first.length)
  if (Array.isArray(a) !== Array.isArray(b) || first.length !== Object.keys(second).length) return false
  return first.every(([name, value]) => Object.hasOwn(second, name) && isSame(value as FieldValue, second[name], count))
}

const TYPED_NAMES: Record<Typed['kind'], string> = {
  timestamp: 'timestamp',
  decimal: 'decimal',
  float: 'float',
  double: 'double',
  longstr: 'longstr',
}

/** RabbitMQ's name of a value's type. A number's width is not kept: it is the one that most clients send it with. */
export function typeName(value: FieldValue | undefined): string {
  if (typeof value === 'string') return 'longstr'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'long'
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return 'double'
    const bits = [8, 16, 32].find((width) => value >= -(2 ** (width - 1)) && value < 2 ** (width - 1))
    return bits === 8 ? 'byte' : bits === 16 ? 'short' : bits === 32 ? 'signedint' : 'long'
  }
  if (isTyped(value)) return TYPED_NAMES[value.kind]
  if (Buffer.isBuffer(value)) return 'binary'
  return value === null ? 'void' : Array.isArray(value) ? 'array' : 'table'
}

/** A value as an error shows it. Not by `String`: a table has no prototype, and so no text. */
export function shown(value: FieldValue | undefined): string {
  if (value === null || typeof value !== 'object') return String(value)
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`
  if (!isTyped(value)) return `{${Object.entries(value).map(([name, field]) => `${name}=${shown(field)}`)}}`
  return value.kind === 'decimal' ? `${value.value.digits}e-${value.value.places}` : String(value.value)
}
