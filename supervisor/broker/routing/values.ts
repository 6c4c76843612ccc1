import type { FieldValue } from '../../amqp/fields.ts'

/** Whether two field values are the same; numbers are, whatever width they were sent with. */
export function isSame(a: FieldValue | undefined, b: FieldValue | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b)) return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b)
  const [first, second] = [Object.entries(a), b as unknown as Record<string, FieldValue>]
  if (Array.isArray(a) !== Array.isArray(b) || first.length !== Object.keys(second).length) return false
  return first.every(([name, value]) => Object.hasOwn(second, name) && isSame(value as FieldValue, second[name]))
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
  return value === null ? 'void' : Array.isArray(value) ? 'array' : 'table'
}
