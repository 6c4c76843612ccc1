import type { z } from 'zod'
import { type Backoff, type BackoffOptions, parseBackoff } from './backoff.ts'
import type { Bus } from './bus.ts'
import { schemaProblems } from './contract-schema.ts'
import { DURATION_FORMAT, type Duration, MAX_TIMER_MS, parseDuration } from './durations.ts'
import { DefinitionError } from './errors.ts'
import type { Logger } from './log.ts'
import { isName, NAME_FORMAT } from './names.ts'
import { parseScale, type Scale, type ScaleOptions } from './scale.ts'
import { didYouMean } from './suggest.ts'

/** A single-recipient address: each message is handled by one of the competing instances. */
export interface QueueDefinition<
  D extends z.ZodType = z.ZodType,
  R extends z.ZodType | undefined = z.ZodType | undefined,
> {
  readonly kind: 'queue'
  readonly name: string
  readonly data: D
  readonly result: R
}

/** A multiple-recipient address: every subscribed worker gets its own copy. */
export interface FanoutDefinition<D extends z.ZodType = z.ZodType> {
  readonly kind: 'fanout'
  readonly name: string
  readonly data: D
}

export type Address = QueueDefinition | FanoutDefinition

/** What a handler gets besides its data. To be passed on as it is: a spread copy lacks what is made when asked for. */
export interface Context {
  /** The message's id: the same at every attempt, so that a handler can tell what it has done already. */
  readonly id: string
  /** Which run of the handler for this message it is, counted from 1. */
  readonly attempt: number
  /** How many attempts the message gets in all. */
  readonly attempts: number
  /** The worker's name. */
  readonly worker: string
  /** Aborted at the timeout, at the end of a drain, and when the message's connection is lost: then it is delivered again. */
  readonly signal: AbortSignal
  /** Logs with the worker's name, the message's id and its attempt. */
  readonly log: Logger
  readonly bus: Bus
  /** Milliseconds until the timeout. */
  remainingMs(): number
}

export interface WorkerOptions<Data = unknown, Result = unknown> {
  /** What runs for each message. Its return is success, and the result of a call; its throw is a failed attempt. */
  handler: (data: Data, context: Context) => Result | Promise<Result>
  /**
   * How many handlers run at once in one instance; also the broker's prefetch. Where handlers are quick, an instance has
   * more messages at hand: what it handles within 20 ms, up to 500.
   * @default 10, or `threads` where that is set: a thread runs one handler at a time
   */
  concurrency?: number
  /**
   * How many threads run the handler, for work that keeps a CPU busy. 0: it runs in the process's own event loop.
   * @default 0
   */
  threads?: number
  /**
   * How long one attempt may take, counted from the handler's start. A thread that runs over is killed.
   * @default '60s'
   */
  timeout?: Duration
  /**
   * Megabytes of JavaScript heap that a thread may use before it is killed (V8's old generation; a Buffer's bytes
   * are outside it). Only with `threads`.
   * @default 256
   */
  memoryLimitMb?: number
  /**
   * How often the handler is run for a message, at most, until it returns. A call gets one attempt.
   * @default 5
   */
  attempts?: number
  /**
   * How long a message waits between two attempts.
   * @default { type: 'exponential', delay: '1s', maxDelay: '5m', jitter: 0.5 }
   */
  backoff?: BackoffOptions
  /**
   * How many instances the autoscaler keeps, by how much there is to do. Without it, as many as `pm2 scale` was told.
   * @default none: one instance, and then what `pm2 scale` says
   */
  scale?: ScaleOptions
}

export interface SubscriberOptions<Data = unknown> extends WorkerOptions<Data> {
  /**
   * Who shares a copy of the fanout: all instances of the worker (`group`, durable), or each process for itself
   * (`instance`; it sees only what is published while it runs).
   * @default 'group'
   */
  subscription?: 'group' | 'instance'
}

/** The options of a worker for this address. */
export type OptionsOf<A extends Address> =
  A extends FanoutDefinition<infer D>
    ? SubscriberOptions<z.output<D>>
    : A extends QueueDefinition<infer D, infer R>
      ? WorkerOptions<z.output<D>, R extends z.ZodType ? z.input<R> : unknown>
      : never

/** A worker's definition with every option settled: the default export of a file in `workers/`. */
export interface WorkerDefinition<A extends Address = Address> {
  readonly kind: 'worker'
  readonly address: A
  readonly handler: (data: never, context: Context) => unknown
  readonly concurrency: number
  readonly threads: number
  /** Milliseconds. */
  readonly timeout: number
  readonly memoryLimitMb: number
  readonly attempts: number
  readonly backoff: Backoff
  readonly subscription: 'group' | 'instance'
  readonly scale?: Scale
}

const DEFAULTS = {
  concurrency: 10,
  threads: 0,
  timeout: '60s',
  memoryLimitMb: 256,
  attempts: 5,
  backoff: {},
  subscription: 'group',
} as const

/**
 * Defines a queue and its contract.
 * @param options.data the schema of its messages: of what JSON carries, and without transforms that parsing twice would
 *   do twice; see the README
 * @param options.result the schema of its handler's result, for `bus.call`
 * @throws DefinitionError
 */
export function defineQueue<D extends z.ZodType>(name: string, options: { data: D }): QueueDefinition<D, undefined>
export function defineQueue<D extends z.ZodType, R extends z.ZodType>(
  name: string,
  options: { data: D; result: R },
): QueueDefinition<D, R>
export function defineQueue(name: string, options: { data: z.ZodType; result?: z.ZodType }): QueueDefinition {
  const problems = addressProblems(name, options, ['data', 'result'])
  if (options?.result !== undefined) problems.push(...schemaProblems('result', options.result, { once: true }))
  if (problems.length > 0) throw new DefinitionError(`defineQueue('${name}')`, problems)
  return Object.freeze({ kind: 'queue', name, data: options.data, result: options.result })
}

/**
 * Defines a fanout and its contract.
 * @param options.data the schema of its messages
 * @throws DefinitionError
 */
export function defineFanout<D extends z.ZodType>(name: string, options: { data: D }): FanoutDefinition<D> {
  const problems = addressProblems(name, options, ['data'])
  if (problems.length > 0) throw new DefinitionError(`defineFanout('${name}')`, problems)
  return Object.freeze({ kind: 'fanout', name, data: options.data })
}

/**
 * Defines the worker of a queue or a subscriber of a fanout; the file that exports it as its default gives its name.
 * @throws DefinitionError
 */
export function defineWorker<A extends Address>(address: A, options: OptionsOf<A>): WorkerDefinition<A>
// One signature, because a compiler that tries several explains a mistake by the last of them.
export function defineWorker(address: Address, options: SubscriberOptions<never>): WorkerDefinition {
  const problems: string[] = []
  if (address?.kind !== 'queue' && address?.kind !== 'fanout') {
    problems.push(`expected a queue or a fanout as the first argument, found ${show(address)}`)
  }
  const given: Record<string, unknown> = isObject(options) ? { ...options } : {}
  if (!isObject(options)) problems.push(`expected an object of options as the second argument, found ${show(options)}`)

  const known = ['handler', ...Object.keys(DEFAULTS), 'scale']
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      problems.push(`unknown option '${name}'${didYouMean(name, known)}; known are ${known.join(', ')}`)
  }
  if (isObject(options) && typeof given.handler !== 'function') {
    problems.push(`handler: expected a function, found ${show(given.handler)}`)
  }

  const whole = (name: 'concurrency' | 'threads' | 'memoryLimitMb' | 'attempts', min: number, max: number) => {
    const value = given[name] ?? DEFAULTS[name]
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    problems.push(`${name}: expected a whole number from ${min} to ${max}, found ${show(value)}`)
    return DEFAULTS[name]
  }
  const threads = whole('threads', 0, 256)
  // The broker's prefetch count is a 16-bit number (AMQP 0-9-1, basic.qos).
  const concurrency = given.concurrency === undefined && threads > 0 ? threads : whole('concurrency', 1, 65_535)
  if (threads > 0 && concurrency !== threads) {
    problems.push(`concurrency: expected ${threads}, the number of threads, or nothing; found ${show(concurrency)}`)
  }
  // A thread needs some twenty for itself: Node, this code, zod.
  const memoryLimitMb = whole('memoryLimitMb', 64, 1_048_576)
  if (given.memoryLimitMb !== undefined && threads === 0) {
    problems.push("memoryLimitMb: expected only with 'threads', because a limit can't hold inside the event loop")
  }

  const timeout = parseDuration(given.timeout ?? DEFAULTS.timeout)
  if (timeout === undefined || timeout < 1 || timeout > MAX_TIMER_MS) {
    problems.push(`timeout: expected ${DURATION_FORMAT}, from 1 ms to 24 days; found ${show(given.timeout)}`)
  }
  const attempts = whole('attempts', 1, 1_000)
  const { backoff, problems: backoffProblems } = parseBackoff(given.backoff)
  problems.push(...backoffProblems)
  const subscription = given.subscription ?? DEFAULTS.subscription
  if (subscription !== 'group' && subscription !== 'instance') {
    problems.push(`subscription: expected 'group' or 'instance', found ${show(subscription)}`)
  } else if (given.subscription !== undefined && address?.kind === 'queue') {
    problems.push("subscription: expected only on a fanout's worker; the instances of a queue's worker compete")
  }

  const scaled = given.scale === undefined ? undefined : parseScale(given.scale)
  if (scaled) problems.push(...scaled.problems)
  if (scaled && subscription === 'instance') {
    problems.push(
      "scale: expected only with subscription 'group', because a queue of each process's own tells nothing of the others",
    )
  }

  if (problems.length > 0)
    throw new DefinitionError(`defineWorker(${address?.name ? `'${address.name}'` : '…'})`, problems)
  return Object.freeze({
    kind: 'worker',
    address,
    handler: options.handler,
    concurrency,
    threads,
    timeout: timeout as number,
    memoryLimitMb,
    attempts,
    backoff,
    subscription: subscription as 'group' | 'instance',
    ...(scaled && { scale: scaled.scale }),
  })
}

/** Whether a value is what `defineWorker` returned. */
export function isWorkerDefinition(value: unknown): value is WorkerDefinition {
  return isObject(value) && value.kind === 'worker' && isObject(value.address) && typeof value.handler === 'function'
}

function addressProblems(name: unknown, options: unknown, known: string[]): string[] {
  const problems: string[] = []
  if (!isName(name)) problems.push(`name: expected ${NAME_FORMAT}; found ${show(name)}`)
  if (!isObject(options))
    return [...problems, `expected { ${known.join(', ')} } as the second argument, found ${show(options)}`]
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      problems.push(`unknown option '${key}'${didYouMean(key, known)}; known are ${known.join(', ')}`)
  }
  problems.push(...schemaProblems('data', options.data))
  return problems
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (value !== null && typeof value === 'object') return 'an object'
  return value === undefined ? 'nothing' : String(value)
}
