import type { Table } from '../../amqp/fields.ts'
import { type QueueOptions, queueOptions } from '../queues/arguments.ts'
import { createExchange, type Exchange } from '../routing/exchanges.ts'
import { type DefinitionStore, keyOf, savedDefinitions } from './definitions.ts'
import type { Links } from './links.ts'
import type { QueueTable } from './queue-table.ts'

interface Restored {
  store: {
    readonly definitions: DefinitionStore
    /** Whether the head of a log that is not open yet may expire. */
    mayExpire(queueId: number): boolean
  }
  exchanges: Map<string, Exchange>
  queues: QueueTable
  links: Links
}

/** Brings back what an earlier process has saved. Returns the ids of the queues. */
export function restore({ store, exchanges, queues, links }: Restored): Set<number> {
  const known = new Set<number>()
  const optionsOf = optionsReader()
  for (const definition of savedDefinitions(store.definitions)) {
    if (definition.kind === 'exchange') {
      exchanges.set(definition.name, createExchange(definition.name, definition.flags, definition.args))
    } else if (definition.kind === 'queue') {
      const { name, id, flags, args } = definition
      const options = optionsOf(args)
      queues.addSaved({ id, name, flags, args, options, owner: undefined })
      known.add(id)
      // What its timers wait for must not wait until somebody comes.
      if (options.expires !== undefined || store.mayExpire(id)) queues.get(name)
    } else {
      const { binding, key } = definition
      const source = exchanges.get(binding.source)
      const { kind: to, name } = binding.destination
      // What was deleted may have left some, if the process ended then.
      if (source && (to === 'queue' ? queues : exchanges).has(name)) links.add(source, binding, true, key)
      else store.definitions.remove(keyOf.binding(binding))
    }
  }
  return known
}

/** Queues that share their arguments share what these ask for. */
function optionsReader(): (args: Table) => QueueOptions {
  const known = new Map<Table, QueueOptions>()
  return function read(args) {
    const options = known.get(args) ?? queueOptions(args)
    known.set(args, options)
    return options
  }
}
