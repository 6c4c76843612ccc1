import { MAX_DELAY_MS } from './durations.ts'
import * as errors from './errors.ts'
import { cutText, isErrorLike, messageOf, read, readList, readText, show } from './foreign.ts'

/** The names of Warren's error classes. */
export type ErrorKind = {
  [K in keyof typeof errors]: (typeof errors)[K] extends { prototype: errors.WarrenError } ? K : never
}[keyof typeof errors]

/**
 * What is kept of anything that was thrown: plain texts and numbers within bounds, and no reference to the thrown value.
 * It can be logged, encoded, cloned and compared without a surprise; whoever deals with a failure sees only this.
 */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  /** Empty where the thrown value has none that is a text. */
  readonly stack: string
  readonly code?: string
  /** The nearest of Warren's classes that it is an instance of, by this or another copy of the package. */
  readonly kind?: ErrorKind
  /** A RetryError's. */
  readonly delayMs?: number
  /** A ValidationError's. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[]
  /** A ConfigError's or DefinitionError's. */
  readonly problems?: readonly string[]
  /** A CallFailedError's. */
  readonly remoteName?: string
  /** What Node says of a failed system call, and HTTP clients of a response. */
  readonly facts?: Readonly<Record<string, string | number>>
  /** Why it happened, up to three causes deep. */
  readonly cause?: ErrorRecord
}

/** Bytes, in UTF-8. */
export interface ErrorBounds {
  readonly name: number
  readonly message: number
  readonly stack: number
}

/** Headers share a frame of 128 KiB with the rest of a dead letter's. */
const BOUNDS: ErrorBounds = { name: 200, message: 2 * 1024, stack: 8 * 1024 }
/** For what Warren says itself at a start: every mistake is listed at once. */
export const START_BOUNDS: ErrorBounds = { ...BOUNDS, message: 64 * 1024 }
const CAUSE_BOUNDS: ErrorBounds = { name: 200, message: 512, stack: 2 * 1024 }
const MAX_CAUSES = 3
const MAX_ISSUES = 100
const MAX_CODE = 200
const FACTS = ['errno', 'syscall', 'address', 'port', 'status', 'statusCode'] as const

/**
 * A mark on the prototypes of Warren's errors. A project may have two copies of the package, and a thread or a test another
 * realm: there `instanceof` knows none of them, while a registered symbol is the same everywhere.
 */
const KIND = Symbol.for('warren.error.kind')

const CLASSES = new Map(
  Object.entries(errors).filter(([, value]) => typeof value === 'function' && isOurs(value.prototype)) as [
    ErrorKind,
    { prototype: errors.WarrenError },
  ][],
)
for (const [kind, { prototype }] of CLASSES) Object.defineProperty(prototype, KIND, { value: kind })

/** What only Warren can say of a handler: thrown by one, such an error is an error like any other. */
const EXECUTORS_OWN: ReadonlySet<string | undefined> = new Set<ErrorKind>([
  'KilledError',
  'HandlerTimeoutError',
  'HandlerMemoryError',
  'HandlerExitError',
  'ThreadStartError',
])

/** Makes the record of anything that was thrown, records included. It never throws. */
export function recordOf(thrown: unknown, bounds: ErrorBounds = BOUNDS): ErrorRecord {
  try {
    return record(thrown, bounds, [])
  } catch {
    // A stack that is all but used up, or memory.
    return { name: 'Error', message: 'something was thrown that can not be read', stack: '' }
  }
}

/** The record of what a handler threw. */
export function recordOfHandler(thrown: unknown): ErrorRecord {
  const { kind, ...others } = recordOf(thrown)
  return kind === undefined || EXECUTORS_OWN.has(kind) ? others : { kind, ...others }
}

/** Whether what was thrown is of one of Warren's classes, or of one below it. */
export function isA({ kind }: ErrorRecord, type: { prototype: errors.WarrenError }): boolean {
  const found = kind && CLASSES.get(kind)?.prototype
  return found !== undefined && (found === type.prototype || Object.prototype.isPrototypeOf.call(type.prototype, found))
}

/** An error with all that the record says, as an instance of Warren's class where it was one. */
export function reviveError({ kind, cause, facts, ...own }: ErrorRecord): Error {
  // An error from the inside, too, which Node serializes and shows as one.
  const error = Object.setPrototypeOf(
    new Error(own.message),
    CLASSES.get(kind as ErrorKind)?.prototype ?? Error.prototype,
  )
  const properties = { ...facts, ...own, ...(cause && { cause: reviveError(cause) }) }
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, { value, writable: true, configurable: true })
  }
  return error
}

function record(thrown: unknown, bounds: ErrorBounds, outer: readonly unknown[]): ErrorRecord {
  if (!isErrorLike(thrown)) {
    return {
      name: 'Error',
      message: `the thrown value is not an Error: ${show(thrown, bounds.message - 50)}`,
      stack: '',
    }
  }
  const kind = kindOf(thrown)
  const code = read(thrown, 'code')
  const cause = outer.length < MAX_CAUSES ? read(thrown, 'cause') : undefined
  return {
    name: readText(thrown, 'name', bounds.name) || 'Error',
    message: messageOf(thrown, bounds.message),
    stack: readText(thrown, 'stack', bounds.stack) ?? '',
    ...((typeof code === 'string' || typeof code === 'number') && { code: cutText(String(code), MAX_CODE) }),
    ...(kind && { kind, ...particulars(kind, thrown) }),
    ...factsOf(thrown),
    ...(cause != null && !outer.includes(cause) && { cause: record(cause, CAUSE_BOUNDS, [...outer, thrown]) }),
  }
}

function kindOf(thrown: unknown): ErrorKind | undefined {
  const kind = read(thrown, KIND)
  if (CLASSES.has(kind as ErrorKind)) return kind as ErrorKind
  // Copies of the package from before the mark, and errors that crossed a border which kept their `code` alone.
  switch (read(thrown, 'code')) {
    case 'WARREN_UNRECOVERABLE':
      return 'UnrecoverableError'
    case 'WARREN_RETRY':
      return 'RetryError'
  }
  return undefined
}

function particulars(
  kind: ErrorKind,
  thrown: unknown,
): Pick<ErrorRecord, 'delayMs' | 'issues' | 'problems' | 'remoteName'> {
  const delayMs = read(thrown, 'delayMs')
  const issues = readList(thrown, 'issues', MAX_ISSUES)
  const problems = readList(thrown, 'problems', MAX_ISSUES)
  const remoteName = readText(thrown, 'remoteName', BOUNDS.name)
  return {
    ...(kind === 'RetryError' && isDelay(delayMs) && { delayMs }),
    ...(issues && {
      issues: issues.map((issue) => ({
        path: readText(issue, 'path', BOUNDS.name) ?? '',
        message: readText(issue, 'message', CAUSE_BOUNDS.message) ?? '',
      })),
    }),
    ...(problems && { problems: problems.map((problem) => messageOf(problem, CAUSE_BOUNDS.message)) }),
    ...(remoteName !== undefined && { remoteName }),
  }
}

function factsOf(thrown: unknown): Pick<ErrorRecord, 'facts'> {
  const found: [string, string | number][] = []
  // A record that is recorded again has them in one place.
  const known = read(thrown, 'facts')
  for (const key of FACTS) {
    const value = read(thrown, key) ?? read(known, key)
    if (typeof value === 'number') found.push([key, value])
    else if (typeof value === 'string') found.push([key, cutText(value, BOUNDS.name)])
  }
  return found.length > 0 ? { facts: Object.fromEntries(found) } : {}
}

function isDelay(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_DELAY_MS
}

function isOurs(prototype: unknown): boolean {
  return prototype === errors.WarrenError.prototype || prototype instanceof errors.WarrenError
}
