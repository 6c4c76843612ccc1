import { type FieldValue, type Table, textOf, timestamp } from '../../amqp/fields.ts'
import type { DeadLetterReason } from '../queues/queue.ts'

/** One way in which a message died, as `x-death` tells it. */
export interface Death {
  readonly count: number
  readonly reason: DeadLetterReason
  readonly queue: string
  /** Of its first death of this kind, in seconds since 1970. */
  readonly time: number
  readonly exchange: string
  readonly routingKeys: readonly string[]
  readonly originalExpiration: string | undefined
}

export type NewDeath = Omit<Death, 'count'>

/** The deaths with one more: most recent first, one entry for each queue and reason (RabbitMQ 4, "Dead-Lettered Effects"). */
export function recordDeath(deaths: readonly Death[], death: NewDeath): Death[] {
  const isSame = (other: Death) => other.queue === death.queue && other.reason === death.reason
  const earlier = deaths.find(isSame)
  const recorded = earlier ? { ...earlier, count: earlier.count + 1 } : { ...death, count: 1 }
  return [recorded, ...deaths.filter((other) => !isSame(other))]
}

/**
 * The queues to which a message would go round for ever: it died there before, and nobody has rejected it since
 * (RabbitMQ, "Dead-Lettering Cycles").
 * @param deaths most recent first, the present one included
 */
export function cycles(deaths: readonly Death[]): Set<string> {
  const queues = new Set<string>()
  for (const { queue, reason } of deaths) {
    if (reason === 'rejected') break
    queues.add(queue)
  }
  return queues
}

/** The headers with the deaths in them, the latest of which need not be the first of its kind. */
export function withDeaths(headers: Table, deaths: readonly Death[], latest: NewDeath): Table {
  const isFirst = deaths.length === 1 && deaths[0]?.count === 1
  const named = (which: 'first' | 'last') => ({
    [`x-${which}-death-exchange`]: latest.exchange,
    [`x-${which}-death-queue`]: latest.queue,
    [`x-${which}-death-reason`]: latest.reason,
  })
  return { ...headers, 'x-death': deaths.map(tableOf), ...(isFirst ? named('first') : {}), ...named('last') }
}

/** What `withDeaths` has written. */
export function deathsOf(headers: Table): Death[] {
  return ((headers['x-death'] ?? []) as Table[]).map((table) => ({
    count: table.count as number,
    reason: table.reason as DeadLetterReason,
    queue: textOf(table.queue) ?? '',
    time: Number((table.time as { value: number }).value),
    exchange: textOf(table.exchange) ?? '',
    routingKeys: (table['routing-keys'] as FieldValue[]).map((key) => textOf(key) ?? ''),
    originalExpiration: textOf(table['original-expiration']),
  }))
}

function tableOf(death: Death): Table {
  const { count, reason, queue, time, exchange, routingKeys, originalExpiration } = death
  const table: Record<string, FieldValue> = {
    count,
    reason,
    queue,
    time: timestamp(time),
    exchange,
    'routing-keys': [...routingKeys],
  }
  if (originalExpiration !== undefined) table['original-expiration'] = originalExpiration
  return table
}
