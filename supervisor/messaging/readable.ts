/** How deep what is shown may be nested: more is nobody's to read, and would overflow whoever walks it. */
const MAX_DEPTH = 32

/** The last moment that JavaScript can name, in milliseconds since 1970. */
const MAX_TIME_MS = 8.64e15

/**
 * A value of a message's headers or properties as JSON can write it, whatever a sender has put there: bytes in base64, a
 * timestamp as ISO 8601, a number that is none as text. Never throws.
 */
export function readable(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return String(value)
    case 'object':
      break
    default:
      return null
  }
  if (value === null) return null
  // Not by its prototype, which amqplib lets a header named `__proto__` choose.
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((item) => readable(item, depth + 1))
  return (
    timestampOf(value) ?? Object.fromEntries(Object.entries(value).map(([name, v]) => [name, readable(v, depth + 1)]))
  )
}

/** A time as AMQP writes it, in seconds since 1970, as ISO 8601; null where it is none, or none that can be written. */
export function dateOf(seconds: unknown): string | null {
  const ms = typeof seconds === 'number' || typeof seconds === 'bigint' ? Number(seconds) * 1000 : Number.NaN
  return Math.abs(ms) <= MAX_TIME_MS ? new Date(ms).toISOString() : null
}

// amqplib's way to write a timestamp is nothing to read.
function timestampOf(value: object): string | null {
  const { '!': type, value: seconds } = value as Record<string, unknown>
  return type === 'timestamp' ? dateOf(seconds) : null
}
