import { createHash } from 'node:crypto'
import {
  DEAD_ATTEMPTS,
  DEAD_ERROR,
  DEAD_HOST,
  DEAD_MESSAGE,
  DEAD_REASON,
  DEAD_STACK,
  DEATH_NOTES,
  FIRST_FAILED_AT,
  LAST_FAILED_AT,
} from '../base/dead-letter-headers.ts'
import type { DeadLetter, DeadLetterDetails, DeadLetterFilter } from '../base/dead-letters.ts'
import {
  ACQUIRED_COUNT_HEADER,
  ATTEMPT_HEADER,
  DELIVERY_COUNT_HEADER,
  DUE_HEADER,
  type Headers,
  LIFE_HEADER,
} from '../base/message.ts'
import type { Delivered } from './link-channel.ts'
import { dateOf, readable } from './readable.ts'

/** A message as far as it tells why it is a dead letter. Anybody may have written it: nothing in it is certain. */
export type Letter = Pick<Delivered, 'content'> & {
  readonly properties: { readonly messageId?: unknown; readonly headers?: unknown }
}

/** These go up with each look that puts it back: they are of the queue, not of the message. */
const OF_THE_QUEUE: ReadonlySet<string> = new Set([DELIVERY_COUNT_HEADER, ACQUIRED_COUNT_HEADER])

/** Characters that are shown of a name and of a message: as many as a worker writes. A forged one may have 64 KiB. */
const MAX_NAME = 200
const MAX_MESSAGE = 2 * 1024

/** Reads what a worker wrote into `x-dead-*` headers, or, where it had no chance to, a broker into `x-death`. */
export function readDeadLetter(letter: Letter, worker: string, queue: string): DeadLetter {
  const headers = headersOf(letter)
  const of = (name: string) => own(headers, name)
  const death = lastDeath(headers)
  const isOurs = of(DEAD_REASON) !== undefined
  return {
    id: idOf(letter),
    worker,
    queue,
    reason: text(of(DEAD_REASON), MAX_NAME) ?? text(own(death, 'reason'), MAX_NAME) ?? 'unknown',
    error: text(of(DEAD_ERROR), MAX_NAME),
    message: text(of(DEAD_MESSAGE), MAX_MESSAGE),
    attempts: count(of(DEAD_ATTEMPTS)),
    host: text(of(DEAD_HOST), MAX_NAME),
    // The time of an earlier attempt's failure is there, whoever gave up the message in the end.
    firstFailedAt: time(of(FIRST_FAILED_AT)) ?? timeOf(death),
    lastFailedAt: isOurs ? time(of(LAST_FAILED_AT)) : timeOf(death),
    bytes: letter.content.length,
  }
}

/** The same with all that the message holds. */
export function readDetails(
  message: Pick<Delivered, 'content' | 'properties'>,
  worker: string,
  queue: string,
): DeadLetterDetails {
  const { content, properties } = message
  const { headers: _, ...others } = properties
  const headers = headersOf(message)
  const body = content.toString()
  const isText = Buffer.from(body).equals(content)
  return {
    ...readDeadLetter(message, worker, queue),
    stack: text(own(headers, DEAD_STACK)),
    body: isText ? body : content.toString('base64'),
    encoding: isText ? 'utf8' : 'base64',
    headers: readable(without(headers, (name) => OF_THE_QUEUE.has(name))) as Headers,
    properties: readable(without(others, (name) => others[name as keyof typeof others] === undefined)) as Headers,
  }
}

/** What it is found by: its message's id. Foreign messages may come without, and then a digest has to do. */
export function idOf(letter: Letter): string {
  const { messageId } = letter.properties
  if (typeof messageId === 'string' && messageId !== '') return messageId
  const known = JSON.stringify(
    readable(without(headersOf(letter), (name) => OF_THE_QUEUE.has(name))),
    // RabbitMQ sorts a message's headers when it adds one of its own, as it does for each that was put back.
    (_, value) => (isRecord(value) ? Object.fromEntries(Object.entries(value).sort(byName)) : value),
  )
  return `sha256-${createHash('sha256').update(known).update(letter.content).digest('hex').slice(0, 32)}`
}

/** The headers of a letter that is sent again: those from before the first attempt, for one more life. */
export function headersOfNextLife(letter: Headers): Headers {
  const before = without(letter, (name) => DEATH_NOTES.has(name) || name === DUE_HEADER)
  return { ...before, [ATTEMPT_HEADER]: 1, [LIFE_HEADER]: lifeOf(letter) + 1 }
}

/** How often a message was sent again by hand. */
export function lifeOf(headers: Headers): number {
  return count(own(headers, LIFE_HEADER)) ?? 0
}

export function matches(letter: DeadLetter, { error }: Pick<DeadLetterFilter, 'error'>): boolean {
  return error === undefined || letter.error === error
}

function headersOf({ properties: { headers } }: Letter): Headers {
  return isRecord(headers) ? headers : {}
}

/** The latest one is first. */
function lastDeath(headers: Headers): Headers {
  const deaths = own(headers, 'x-death')
  const latest: unknown = Array.isArray(deaths) ? deaths[0] : undefined
  return isRecord(latest) ? latest : {}
}

function timeOf(death: Headers): string | null {
  const timestamp = own(death, 'time')
  return isRecord(timestamp) ? dateOf(own(timestamp, 'value')) : null
}

/** A header named `__proto__` is one like any other, and makes none of the others. */
function own(fields: Headers, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1
}

function isRecord(value: unknown): value is Headers {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown, most = Number.POSITIVE_INFINITY): string | null {
  if (typeof value !== 'string') return null
  return value.length <= most ? value : `${value.slice(0, most - 1)}…`
}

/** An ISO 8601 text that is a time. */
function time(value: unknown): string | null {
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]{5,18}Z$/.test(value)
  return isTime && !Number.isNaN(Date.parse(value)) ? value : null
}

function count(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < Number.MAX_SAFE_INTEGER
    ? (value as number)
    : null
}

function without(fields: Headers, isOut: (name: string) => boolean): Headers {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !isOut(name)))
}
