import type { Table } from '../../amqp/fields.ts'
import { itemsOf, type OneOrMore, withItem, withoutItem } from '../one-or-more.ts'
import type { Effort } from './effort.ts'
import { headersMatcher } from './headers.ts'
import { topicMatcher } from './topic.ts'

/** What a binding leads to. */
export interface Destination {
  readonly kind: 'queue' | 'exchange'
  readonly name: string
}

export interface Binding {
  /** The exchange. */
  readonly source: string
  readonly destination: Destination
  readonly routingKey: string
  readonly arguments: Table
}

/** Finds the bindings of one exchange that a message meets. */
export interface Matcher {
  add(binding: Binding): void
  remove(binding: Binding): void
  /**
   * @param routingKeys all of the message's
   * @param headers decodes the message's headers, which only some types of exchanges look at
   */
  match(routingKeys: readonly string[], headers: () => Table | undefined, effort: Effort): Iterable<Binding>
}

const MATCHERS = {
  direct: directMatcher,
  fanout: fanoutMatcher,
  topic: topicMatcher,
  headers: headersMatcher,
  'x-local-random': randomMatcher,
} as const satisfies Record<string, () => Matcher>

export type ExchangeType = keyof typeof MATCHERS

export function isExchangeType(type: string): type is ExchangeType {
  return Object.hasOwn(MATCHERS, type)
}

export function createMatcher(type: ExchangeType): Matcher {
  return MATCHERS[type]()
}

function directMatcher(): Matcher {
  const byKey = new Map<string, OneOrMore<Binding>>()
  return {
    add(binding) {
      byKey.set(binding.routingKey, withItem(byKey.get(binding.routingKey), binding))
    },
    remove(binding) {
      const others = withoutItem(byKey.get(binding.routingKey), binding)
      if (others) byKey.set(binding.routingKey, others)
      else byKey.delete(binding.routingKey)
    },
    match([routingKey = '', ...others], _headers, effort) {
      const bindings = itemsOf(byKey.get(routingKey))
      if (others.length === 0) return bindings
      effort.spend(others.length)
      return [...bindings, ...others.flatMap((key) => [...itemsOf(byKey.get(key))])]
    },
  }
}

function fanoutMatcher(): Matcher {
  const bindings = new Set<Binding>()
  return {
    add: (binding) => void bindings.add(binding),
    remove: (binding) => void bindings.delete(binding),
    match: () => bindings,
  }
}

/** One of the bindings by chance (RabbitMQ, "Local Random Exchange"): its queues are all on this machine. */
function randomMatcher(): Matcher {
  const bindings: Binding[] = []
  const places = new Map<Binding, number>()
  return {
    add(binding) {
      places.set(binding, bindings.push(binding) - 1)
    },
    remove(binding) {
      const place = places.get(binding)
      const last = bindings.at(-1)
      if (place === undefined || last === undefined) return
      bindings[place] = last
      places.set(last, place)
      bindings.pop()
      places.delete(binding)
    },
    match() {
      const chosen = bindings[Math.floor(Math.random() * bindings.length)]
      return chosen ? [chosen] : []
    },
  }
}
