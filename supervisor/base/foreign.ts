// Reading values that are not ours: what a handler, a route or a library threw. Nothing here throws, whatever the value
// does: getters, proxies and methods of its own are called in a try, or not at all.
import { inspect, types } from 'node:util'

/** Reads a property of anything. @returns undefined where there is none, or reading it throws */
export function read(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
  try {
    return (value as Record<PropertyKey, unknown>)[key]
  } catch {
    return undefined
  }
}

/** Reads a property that should be a text; undefined where it is none. */
export function readText(value: unknown, key: PropertyKey, maxBytes: number): string | undefined {
  const found = read(value, key)
  return typeof found === 'string' ? cutText(found, maxBytes) : undefined
}

/**
 * A text of at most so many bytes in UTF-8, cut between two characters, lone surrogates replaced. It is a copy: V8 keeps
 * the whole of a text alive as long as a part of it is in use.
 */
export function cutText(text: string, maxBytes: number): string {
  // A unit of UTF-16 has at least one byte, so the rest is not even looked at.
  const bytes = Buffer.from(text.length > maxBytes ? text.slice(0, maxBytes) : text)
  if (text.length <= maxBytes && bytes.length <= maxBytes) return bytes.toString()
  // A cut inside a character decodes to U+FFFD, which is dropped.
  return `${bytes.toString('utf8', 0, maxBytes - 3).replace(/\uFFFD$/, '')}…`
}

const SHOWN = {
  depth: 1,
  customInspect: false,
  getters: false,
  // Without a call of the proxy's traps.
  showProxy: true,
  maxArrayLength: 10,
  maxStringLength: 500,
  breakLength: Number.POSITIVE_INFINITY,
} as const

/** Anything as a short text for people, on one line unless it has texts of several. */
export function show(value: unknown, maxBytes: number): string {
  try {
    // The digits of a huge one take seconds to tell.
    if (typeof value === 'bigint' && BigInt.asIntN(256, value) !== value) return 'a bigint of over 256 bits'
    return cutText(inspect(value, SHOWN), maxBytes)
  } catch {
    return 'something that can not be shown'
  }
}

/** Reads a list; of a longer one its start. @returns undefined where there is none */
export function readList(value: unknown, key: PropertyKey, max: number): unknown[] | undefined {
  const found = read(value, key)
  try {
    return Array.isArray(found)
      ? Array.from({ length: Math.min(found.length, max) }, (_, i) => read(found, i))
      : undefined
  } catch {
    return undefined
  }
}

/** What an error says, whatever it is. Empty where it says nothing. */
export function messageOf(thrown: unknown, maxBytes: number): string {
  if (!isErrorLike(thrown)) return typeof thrown === 'string' ? cutText(thrown, maxBytes) : show(thrown, maxBytes)
  const message = read(thrown, 'message')
  if (typeof message !== 'string') return message === undefined ? '' : show(message, maxBytes)
  // A refused connection to a name with several addresses is an AggregateError without a message.
  const all = message === '' ? readList(thrown, 'errors', 10) : undefined
  return cutText(all ? all.map((one) => readText(one, 'message', 200) ?? show(one, 200)).join('; ') : message, maxBytes)
}

/** `instanceof`, without a call of the value's own: a proxy may answer it with an error, or with prototypes for ever. */
export function isInstance<T>(value: unknown, type: { prototype: T }): value is T {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  let at: object | null = value
  while (at !== null && !types.isProxy(at)) {
    at = Object.getPrototypeOf(at)
    if (at === type.prototype) return true
  }
  return false
}

/** Whether it is an error, of this realm or another's, or says of itself what an error says. */
export function isErrorLike(value: unknown): boolean {
  return types.isNativeError(value) || typeof read(value, 'message') === 'string'
}
