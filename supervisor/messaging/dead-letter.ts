import { createHash } from 'node:crypto'
import type { ConsumeMessage } from 'amqplib'
import type { DeadLetter, DeadLetterDetails, DeadLetterFilter } from '../base/dead-letters.ts'
import { DELIVERY_COUNT_HEADER, type Headers } from '../base/message.ts'

/** A message as far as it tells why it is a dead letter. */
export type Letter = Pick<ConsumeMessage, 'content'> & {
  readonly properties: { readonly messageId?: unknown; readonly headers?: Headers | undefined }
}

/** The count goes up with each look that puts it back: it is of the queue, not of the message. */
const isOfTheQueue = (name: string) => name === DELIVERY_COUNT_HEADER

/** Reads what a worker wrote into `x-dead-*` headers, or, where it had no chance to, a broker into `x-death`. */
export function readDeadLetter({ content, properties }: Letter, worker: string, queue: string): DeadLetter {
  const { headers = {} } = properties
  const death = lastDeath(headers)
  const own = headers['x-dead-reason'] !== undefined
  return {
    id: idOf({ content, properties }),
    worker,
    queue,
    reason: text(headers['x-dead-reason']) ?? text(death.reason) ?? 'unknown',
    error: text(headers['x-dead-error']),
    message: text(headers['x-dead-message']),
    attempts: typeof headers['x-dead-attempts'] === 'number' ? headers['x-dead-attempts'] : null,
    host: text(headers['x-dead-host']),
    // The time of an earlier attempt's failure is there, whoever gave up the message in the end.
    firstFailedAt: text(headers['x-dead-first-failed-at']) ?? timeOf(death),
    lastFailedAt: own ? text(headers['x-dead-last-failed-at']) : timeOf(death),
    bytes: content.length,
  }
}

/** The same with all that the message holds. */
export function readDetails(message: ConsumeMessage, worker: string, queue: string): DeadLetterDetails {
  const { content, properties } = message
  const { headers = {}, ...others } = properties
  const body = content.toString()
  const isText = Buffer.from(body).equals(content)
  return {
    ...readDeadLetter(message, worker, queue),
    stack: text(headers['x-dead-stack']),
    body: isText ? body : content.toString('base64'),
    encoding: isText ? 'utf8' : 'base64',
    headers: readable(without(headers, isOfTheQueue)),
    properties: without(others, (name) => others[name as keyof typeof others] === undefined),
  }
}

/** What it is found by: its message's id. Foreign messages may come without, and then a digest has to do. */
export function idOf({ content, properties }: Letter): string {
  const { messageId, headers = {} } = properties
  if (typeof messageId === 'string' && messageId !== '') return messageId
  const known = JSON.stringify(without(headers, isOfTheQueue))
  return `sha256-${createHash('sha256').update(known).update(content).digest('hex').slice(0, 32)}`
}

/** The headers as before the first attempt, but for the brokers' own notes. */
export function withoutDeath(headers: Headers): Headers {
  return without(headers, (name) => name.startsWith('x-dead-'))
}

export function matches(letter: DeadLetter, { error }: Pick<DeadLetterFilter, 'error'>): boolean {
  return error === undefined || letter.error === error
}

/** The latest one is first. */
function lastDeath(headers: Headers): Headers {
  const deaths = headers['x-death']
  const [latest] = Array.isArray(deaths) ? deaths : []
  return typeof latest === 'object' && latest !== null ? latest : {}
}

function timeOf(death: Headers): string | null {
  const seconds = (death.time as { value?: unknown } | undefined)?.value
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : null
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function without(fields: Headers, isOut: (name: string) => boolean): Headers {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !isOut(name)))
}

/** amqplib's way to write a timestamp, and bytes, are nothing to read. */
function readable(value: Headers): Headers {
  return JSON.parse(JSON.stringify(value), (_, field) => {
    if (field?.['!'] === 'timestamp') return new Date(field.value * 1000).toISOString()
    return field?.type === 'Buffer' && Array.isArray(field.data) ? Buffer.from(field.data).toString('base64') : field
  }) as Headers
}
