import { type Table, textOf } from '../../amqp/fields.ts'
import { limitEffort } from './effort.ts'
import { type Binding, createMatcher, type ExchangeType, type Matcher } from './matcher.ts'

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

/** What there is to route to. */
export interface Places {
  readonly exchanges: ReadonlyMap<string, Exchange>
  /** The default exchange leads to every queue by its name. */
  hasQueue(name: string): boolean
}

/**
 * The queues that a message reaches, each once, by name. An exchange that finds nothing asks its alternate.
 * @throws AmqpError 406 if that takes too much effort
 */
export function route(places: Places, message: Addressed): Set<string> {
  const queues = new Set<string>()
  const visited = new Set<string>()
  const effort = limitEffort()
  const { exchange: first, headers } = message
  const routingKeys = message.routingKeys.length > 1 ? [...new Set(message.routingKeys)] : message.routingKeys
  const pending = [first]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (visited.has(name)) continue
    visited.add(name)
    effort.spend(1)
    const exchange = places.exchanges.get(name)
    const isFound = name === '' ? byName(places, routingKeys, queues) : follow(exchange)
    const alternate = isFound ? undefined : textOf(exchange?.args['alternate-exchange'])
    if (alternate !== undefined) pending.push(alternate)
  }
  return queues

  function follow(exchange: Exchange | undefined): boolean {
    let isFound = false
    if (!exchange) return isFound
    for (const { destination } of exchange.matcher.match(routingKeys, headers, effort)) {
      effort.spend(1)
      const { kind, name } = destination
      // Bindings to what was deleted may still be there, on their way out.
      if (kind === 'queue' ? !places.hasQueue(name) : !places.exchanges.has(name)) continue
      isFound = true
      if (kind === 'queue') queues.add(name)
      else pending.push(name)
    }
    return isFound
  }
}

function byName({ hasQueue }: Places, routingKeys: readonly string[], queues: Set<string>): boolean {
  let isFound = false
  for (const name of routingKeys) {
    if (!hasQueue(name)) continue
    queues.add(name)
    isFound = true
  }
  return isFound
}
