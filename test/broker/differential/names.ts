import { EXCHANGES, QUEUES } from './step.ts'

const UNIVERSE = new Set([...QUEUES, ...EXCHANGES])

/** The name of a thing of the universe in one program's run; anything else is what it is. */
export function name(prefix: string, short: string): string {
  return UNIVERSE.has(short) ? `${prefix}${short}` : short
}

/** Fields as a line that is the same on every broker: short names, sorted keys, no times of dead-lettering. */
export function normalise(prefix: string, fields: unknown): string {
  return JSON.stringify(sorted(fields))
    .replaceAll(prefix, '')
    .replace(/in vhost '[^']*'/g, "in vhost 'V'")
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (Buffer.isBuffer(value)) return value.toString()
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key, v]) => v !== undefined && !(key === 'time' && isTimestamp(v)))
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, v]) => [key, sorted(v)]))
}

function isTimestamp(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '!' in value && value['!'] === 'timestamp'
}
