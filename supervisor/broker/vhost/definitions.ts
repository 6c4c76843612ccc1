import { decodeTable, encodeTable, type Table } from '../../amqp/fields.ts'
import type { QueueFlags } from '../queues/arguments.ts'
import { bindingKey } from '../routing/binding-key.ts'
import type { Exchange, ExchangeFlags } from '../routing/exchanges.ts'
import type { Binding } from '../routing/matcher.ts'

/** What survives a restart besides messages: durable exchanges and queues, and the bindings between such. */
export type Definition =
  | { kind: 'exchange'; name: string; flags: ExchangeFlags; args: Table }
  | { kind: 'queue'; name: string; id: number; flags: QueueFlags; args: Table }
  /** With its `bindingKey`. */
  | { kind: 'binding'; key: string; binding: Binding }

/** The store of definitions, as far as it is needed here. */
export interface DefinitionStore {
  found(prefix: string): Iterable<readonly [name: string, value: unknown]>
  forgetFound(): void
  put(key: string, value: unknown): void
  remove(key: string): void
}

/** What names begin with, in the order in which what they are of has to be made again. */
const [EXCHANGE, QUEUE, BINDING] = ['1 ', '2 ', '3 ']

export const keyOf = {
  exchange: (name: string) => EXCHANGE + name,
  queue: (name: string) => QUEUE + name,
  binding: (binding: Binding) => bindingsOf(binding.source) + bindingKey(binding),
}

function bindingsOf(exchange: string): string {
  return `${BINDING}${exchange} `
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

/** Everything that was saved, in an order in which it can be made again: each when it is asked for, and once. */
export function* savedDefinitions(store: DefinitionStore): Generator<Definition> {
  const argsOf = tableReader()
  for (const prefix of [EXCHANGE, QUEUE, BINDING]) {
    for (const [name, value] of store.found(prefix)) yield read(name, value as Stored, argsOf)
  }
  store.forgetFound()
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
function read(name: string, stored: Stored, argsOf: (text: string) => Table): Definition {
  const args = argsOf(stored.args)
  if (stored.kind === 'exchange') return { kind: 'exchange', name: stored.name, flags: stored.flags, args }
  if (stored.kind === 'queue') return { kind: 'queue', name: stored.name, id: stored.id, flags: stored.flags, args }
  const { source, destination, routingKey } = stored
  const key = name.slice(bindingsOf(source).length)
  return { kind: 'binding', key, binding: { source, destination, routingKey, arguments: args } }
}

// A field table's own bytes: JSON would lose the types of its values.
function text(args: Table): string {
  return encodeTable(args).toString('base64')
}
