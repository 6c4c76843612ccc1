import { decodeTable, encodeTable, type Table } from '../../amqp/fields.ts'
import type { QueueFlags } from '../queues/arguments.ts'
import { bindingKey } from '../routing/binding-key.ts'
import type { Exchange, ExchangeFlags } from '../routing/exchanges.ts'
import type { Binding } from '../routing/matcher.ts'

/** What survives a restart besides messages: durable exchanges and queues, and the bindings between such. */
export type Definition =
  | { kind: 'exchange'; name: string; flags: ExchangeFlags; args: Table }
  | { kind: 'queue'; name: string; id: number; flags: QueueFlags; args: Table }
  | ({ kind: 'binding' } & Binding)

/** The store of definitions, as far as it is needed here. */
export interface DefinitionStore {
  takeFound(): ReadonlyMap<string, unknown>
  put(key: string, value: unknown): void
  remove(key: string): void
}

/** The order in which they have to be made again. */
const KINDS: readonly Stored['kind'][] = ['exchange', 'queue', 'binding']

export const keyOf = {
  exchange: (name: string) => `1 ${name}`,
  queue: (name: string) => `2 ${name}`,
  binding: (binding: Binding) => `3 ${binding.source} ${bindingKey(binding)}`,
}

type Stored = { args: string } & (
  | { kind: 'exchange'; name: string; flags: ExchangeFlags }
  | { kind: 'queue'; name: string; id: number; flags: QueueFlags }
  | ({ kind: 'binding' } & Omit<Binding, 'arguments'>)
)

export function saveExchange(store: DefinitionStore, { name, flags, args }: Exchange): void {
  store.put(keyOf.exchange(name), { kind: 'exchange', name, flags, args: text(args) })
}

export function saveQueue(
  store: DefinitionStore,
  queue: { name: string; id: number; flags: QueueFlags; args: Table },
): void {
  const { name, id, flags, args } = queue
  store.put(keyOf.queue(name), { kind: 'queue', name, id, flags, args: text(args) })
}

export function saveBinding(store: DefinitionStore, binding: Binding): void {
  const { arguments: args, ...rest } = binding
  store.put(keyOf.binding(binding), { kind: 'binding', ...rest, args: text(args) })
}

/** Everything that was saved, in an order in which it can be made again: each when it is asked for. */
export function* savedDefinitions(store: DefinitionStore): Generator<Definition> {
  const stored = [...store.takeFound().values()] as Stored[]
  const argsOf = tableReader()
  for (const kind of KINDS) for (const one of stored) if (one.kind === kind) yield read(one, argsOf)
}

/** Most definitions have the same arguments as many others, or none: all those share a table. */
function tableReader(): (text: string) => Table {
  const known = new Map<string, Table>()
  return function read(text) {
    const table = known.get(text) ?? decodeTable(Buffer.from(text, 'base64'), 0).table
    known.set(text, table)
    return table
  }
}

// Field by field: an object that is spread from another and added to takes ten times the memory, which thousands show.
function read(stored: Stored, argsOf: (text: string) => Table): Definition {
  const args = argsOf(stored.args)
  if (stored.kind === 'exchange') return { kind: 'exchange', name: stored.name, flags: stored.flags, args }
  if (stored.kind === 'queue') return { kind: 'queue', name: stored.name, id: stored.id, flags: stored.flags, args }
  const { source, destination, routingKey } = stored
  return { kind: 'binding', source, destination, routingKey, arguments: args }
}

// A field table's own bytes: JSON would lose the types of its values.
function text(args: Table): string {
  return encodeTable(args).toString('base64')
}
