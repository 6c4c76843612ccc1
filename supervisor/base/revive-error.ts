import * as errors from './errors.ts'
import { toError } from './thrown.ts'

/** An error as it crosses between threads: structured clone would keep neither its name nor its class. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string
  /** The nearest of Warren's classes that it is an instance of; another library's may have the same name. */
  readonly kind: string | undefined
  /** Its own properties that can be cloned, such as `code` and `issues`. */
  readonly properties: Readonly<Record<string, unknown>>
}

const CLASSES = new Map(
  Object.entries(errors).filter(([, value]) => typeof value === 'function' && isOurs(value.prototype)) as [
    string,
    { prototype: object },
  ][],
)

export function toPlain(thrown: unknown): PlainError {
  const error = toError(thrown)
  const { name, message } = error
  return { name, message, stack: String(error.stack ?? ''), kind: kindOf(error), properties: cloneable(error) }
}

/** The error that `toPlain` took apart, as an instance of Warren's class where it was one. */
export function reviveError({ name, message, stack, kind, properties }: PlainError): Error {
  const { prototype } = CLASSES.get(kind ?? '') ?? Error
  const error = Object.create(prototype) as Error
  for (const [key, value] of Object.entries({ ...properties, name, message, stack })) {
    Object.defineProperty(error, key, { value, writable: true, configurable: true })
  }
  return error
}

function isOurs(prototype: unknown): boolean {
  return prototype === errors.WarrenError.prototype || prototype instanceof errors.WarrenError
}

function kindOf(error: Error): string | undefined {
  for (let at = Object.getPrototypeOf(error); at; at = Object.getPrototypeOf(at)) {
    for (const [kind, known] of CLASSES) if (known.prototype === at) return kind
  }
  return undefined
}

function cloneable(error: Error): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(error).filter(([, value]) => {
      try {
        structuredClone(value)
        return true
      } catch {
        return false
      }
    }),
  )
}
