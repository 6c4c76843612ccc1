import { inspect } from 'node:util'

/** What a handler threw, as an Error whose name and message are texts: handlers may throw anything. */
export function toError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === 'string' && typeof thrown.name === 'string') return thrown
    return new Error(`a handler threw ${inspect(thrown, { depth: 1 })}`)
  } catch {
    return new Error('a handler threw something that can not be shown')
  }
}
