import { itemsOf, type OneOrMore, withItem, withoutItem } from '../one-or-more.ts'
import { bindingKey } from '../routing/binding-key.ts'
import type { Exchange } from '../routing/exchanges.ts'
import type { Binding, Destination } from '../routing/matcher.ts'
import type { Slices } from '../slices.ts'
import { type DefinitionStore, keyOf } from './definitions.ts'

/** A binding, as exchanges have it. */
interface Link extends Binding {
  readonly exchange: Exchange
  /** Its key in the source's bindings. */
  readonly key: string
  /** It outlives a restart. */
  readonly isSaved: boolean
}

/** The bindings of a virtual host, from both ends: what is deleted costs its own bindings, and no look at others. */
export interface Links {
  /**
   * @param isSaved whether it has a definition in the store, which goes with it
   * @param key its `bindingKey`, if that is known
   */
  add(source: Exchange, binding: Binding, isSaved: boolean, key?: string): void
  remove(source: Exchange, binding: Binding): void
  /** The steps that remove the bindings that lead somewhere now. */
  unbind(destination: Destination): Generator<void>
  /** Takes the steps that remove something, in slices. Resolves when they are done, and what they have removed as well. */
  drop(owner: object, steps: Generator<void>): Promise<void>
  /** Removes the bindings to and from an exchange that is deleted, in slices. Resolves as `drop` does. */
  dropExchange(exchange: Exchange): Promise<void>
  /** The steps that remove what is left of the bindings of a deleted one of that name: another one is made. */
  forget(destination: Destination): Generator<void>
}

interface LinksOptions {
  definitions: DefinitionStore
  slices: Slices
  /** The last binding from an exchange is gone. */
  onUnused(exchange: Exchange): void
}

export function createLinks({ definitions, slices, onUnused }: LinksOptions): Links {
  const toQueues = new Map<string, OneOrMore<Link>>()
  const toExchanges = new Map<string, OneOrMore<Link>>()
  /** Deleted exchanges with bindings from them that are still to be removed, by name. */
  const leaving = new Map<string, Exchange>()

  const indexOf = ({ kind }: Destination) => (kind === 'queue' ? toQueues : toExchanges)

  function add(exchange: Exchange, binding: Binding, isSaved: boolean, key = bindingKey(binding)): void {
    const { source, destination, routingKey, arguments: args } = binding
    const link: Link = { source, destination, routingKey, arguments: args, exchange, key, isSaved }
    const index = indexOf(destination)
    index.set(destination.name, withItem(index.get(destination.name), link))
    exchange.bindings.set(key, link)
    exchange.matcher.add(link)
  }

  /** @param binding one of those that `add` has given to the exchange */
  function remove(exchange: Exchange, binding: Binding): void {
    const link = binding as Link
    if (exchange.bindings.get(link.key) !== link) return
    const index = indexOf(link.destination)
    const { name } = link.destination
    const others = withoutItem(index.get(name), link)
    if (others) index.set(name, others)
    else index.delete(name)
    exchange.bindings.delete(link.key)
    exchange.matcher.remove(link)
    if (link.isSaved) definitions.remove(keyOf.binding(link))
    if (exchange.bindings.size === 0) onUnused(exchange)
  }

  /** Of those that there are now: a new queue or exchange of the same name keeps its own. */
  function unbind({ kind, name }: Destination): Generator<void> {
    return removeAll(indexOf({ kind, name }).get(name))
  }

  function* removeAll(links: OneOrMore<Link> | undefined): Generator<void> {
    for (const link of itemsOf(links)) {
      remove(link.exchange, link)
      yield
    }
  }

  function* unbindExchange(exchange: Exchange, bindingsTo: Generator<void>): Generator<void> {
    for (const binding of exchange.bindings.values()) {
      remove(exchange, binding)
      yield
    }
    if (leaving.get(exchange.name) === exchange) leaving.delete(exchange.name)
    yield* bindingsTo
  }

  function drop(owner: object, steps: Generator<void>): Promise<void> {
    // What a step starts is done before the next one.
    return new Promise((resolve) => void (slices.run(owner, steps, resolve) && resolve()))
  }

  return {
    add,
    remove,
    unbind,
    drop,
    dropExchange(exchange) {
      leaving.set(exchange.name, exchange)
      return drop(exchange, unbindExchange(exchange, unbind({ kind: 'exchange', name: exchange.name })))
    },
    forget(destination) {
      const exchange = destination.kind === 'exchange' ? leaving.get(destination.name) : undefined
      const bindingsTo = unbind(destination)
      return exchange ? unbindExchange(exchange, bindingsTo) : bindingsTo
    },
  }
}
