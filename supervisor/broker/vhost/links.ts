import { bindingKey } from '../routing/binding-key.ts'
import type { Exchange } from '../routing/exchanges.ts'
import type { Binding, Destination } from '../routing/matcher.ts'
import type { Slices } from '../slices.ts'
import { type DefinitionStore, keyOf } from './definitions.ts'

/** A binding, from where it starts. */
interface Link {
  readonly source: Exchange
  /** Its key in the source's bindings. */
  readonly key: string
}

/** The bindings of a virtual host, from both ends: what is deleted costs its own bindings, and no look at others. */
export interface Links {
  add(source: Exchange, binding: Binding): void
  remove(source: Exchange, binding: Binding): void
  /** The steps that remove the bindings that lead somewhere now. */
  unbind(destination: Destination): Generator<void>
  /** Takes the steps that remove something, in slices. */
  drop(owner: object, steps: Generator<void>): void
  /** Removes the bindings to and from an exchange that is deleted, in slices. */
  dropExchange(exchange: Exchange): void
  /** Removes at once what is left of the bindings of a deleted one of that name: another one is made. */
  forget(destination: Destination): void
  /** Resolves when nothing is being removed; undefined if that is so. */
  dropped(): Promise<void> | undefined
}

interface LinksOptions {
  definitions: DefinitionStore
  slices: Slices
  /** The last binding from an exchange is gone. */
  onUnused(exchange: Exchange): void
}

export function createLinks({ definitions, slices, onUnused }: LinksOptions): Links {
  const toQueues = new Map<string, Map<Binding, Link>>()
  const toExchanges = new Map<string, Map<Binding, Link>>()
  /** Deleted exchanges with bindings from them that are still to be removed, by name. */
  const leaving = new Map<string, Exchange>()
  let dropping = 0
  let onDropped: (() => void)[] = []

  const indexOf = ({ kind }: Destination) => (kind === 'queue' ? toQueues : toExchanges)

  function add(source: Exchange, binding: Binding): void {
    const key = bindingKey(binding)
    const index = indexOf(binding.destination)
    const { name } = binding.destination
    const links = index.get(name) ?? new Map<Binding, Link>()
    index.set(name, links.set(binding, { source, key }))
    source.bindings.set(key, binding)
    source.matcher.add(binding)
  }

  function remove(source: Exchange, binding: Binding): void {
    const index = indexOf(binding.destination)
    const { name } = binding.destination
    const links = index.get(name)
    const key = links?.get(binding)?.key
    if (!links || key === undefined) return
    links.delete(binding)
    if (links.size === 0) index.delete(name)
    source.bindings.delete(key)
    source.matcher.remove(binding)
    if (source.flags.durable) definitions.remove(keyOf.binding(binding))
    if (source.bindings.size === 0) onUnused(source)
  }

  /** Of those that there are now: a new queue or exchange of the same name keeps its own. */
  function unbind({ kind, name }: Destination): Generator<void> {
    return removeAll(indexOf({ kind, name }).get(name))
  }

  function* removeAll(links: ReadonlyMap<Binding, Link> | undefined): Generator<void> {
    for (const [binding, { source }] of links ?? []) {
      remove(source, binding)
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

  function drop(owner: object, steps: Generator<void>): void {
    dropping++
    if (slices.run(owner, steps, ended)) ended()
  }

  function ended(): void {
    dropping--
    if (dropping > 0) return
    const actions = onDropped
    onDropped = []
    for (const action of actions) action()
  }

  return {
    add,
    remove,
    unbind,
    drop,
    dropExchange(exchange) {
      leaving.set(exchange.name, exchange)
      drop(exchange, unbindExchange(exchange, unbind({ kind: 'exchange', name: exchange.name })))
    },
    forget(destination) {
      const exchange = destination.kind === 'exchange' ? leaving.get(destination.name) : undefined
      const bindingsTo = unbind(destination)
      for (const _ of exchange ? unbindExchange(exchange, bindingsTo) : bindingsTo);
    },
    dropped: () => (dropping > 0 ? new Promise((resolve) => onDropped.push(resolve)) : undefined),
  }
}
