import { type Table, textOf } from '../../amqp/fields.ts'
import { type Binding, createMatcher, type Destination, type ExchangeType, type Matcher } from './matcher.ts'

export interface ExchangeFlags {
  readonly type: ExchangeType
  readonly durable: boolean
  readonly autoDelete: boolean
  /** Takes messages from other exchanges only. */
  readonly internal: boolean
}

export interface Exchange {
  readonly name: string
  readonly flags: ExchangeFlags
  readonly args: Table
  readonly matcher: Matcher
  /** By `bindingKey`. */
  readonly bindings: Map<string, Binding>
}

/** Where a message goes: what routing has to know of it. */
export interface Addressed {
  readonly exchange: string
  /** The message's own first, then those of its CC and BCC headers. */
  readonly routingKeys: readonly string[]
  readonly headers: () => Table | undefined
}

/** The exchanges that are always there (AMQP 0-9-1, 3.1.3; RabbitMQ adds amq.match's twin and its trace). */
export const PREDECLARED: readonly [name: string, type: ExchangeType, internal?: boolean][] = [
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
  ['amq.rabbitmq.trace', 'topic', true],
]

export function createExchange(name: string, flags: ExchangeFlags, args: Table): Exchange {
  return { name, flags, args, matcher: createMatcher(flags.type), bindings: new Map() }
}

/**
 * The queues that a message reaches, each once, by name. An exchange that finds nothing asks its alternate.
 * @param hasQueue the default exchange leads to every queue by its name
 */
export function route(
  exchanges: ReadonlyMap<string, Exchange>,
  hasQueue: (name: string) => boolean,
  message: Addressed,
): Set<string> {
  const queues = new Set<string>()
  const visited = new Set<string>()
  const pending = [message.exchange]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (visited.has(name)) continue
    visited.add(name)
    const found = name === '' ? byName(message, hasQueue) : destinations(exchanges.get(name), message)
    for (const { kind, name: target } of found) {
      if (kind === 'queue') queues.add(target)
      else pending.push(target)
    }
    const alternate = found.length === 0 ? textOf(exchanges.get(name)?.args['alternate-exchange']) : undefined
    if (alternate !== undefined) pending.push(alternate)
  }
  return queues
}

function byName({ routingKeys }: Addressed, hasQueue: (name: string) => boolean): Destination[] {
  return routingKeys.filter(hasQueue).map((name) => ({ kind: 'queue', name }))
}

function destinations(exchange: Exchange | undefined, { routingKeys, headers }: Addressed): Destination[] {
  if (!exchange) return []
  const found: Destination[] = []
  for (const key of routingKeys)
    for (const { destination } of exchange.matcher.match(key, headers)) found.push(destination)
  return found
}
