import { randomBytes } from 'node:crypto'
import type { Table } from '../codec/fields.ts'
import { AmqpError, notFound, precondition, refused, VHOST } from '../errors.ts'
import { parseQueueArguments, type QueueFlags } from '../queues/arguments.ts'
import { checkEquivalence } from '../queues/equivalence.ts'
import { createQueue, type Owner, type Queue } from '../queues/queue.ts'
import { bindingKey } from '../routing/binding-key.ts'
import { createExchange, type Exchange, type ExchangeFlags, PREDECLARED, route } from '../routing/exchanges.ts'
import { headersBindingProblem } from '../routing/headers.ts'
import { type Binding, type Destination, isExchangeType } from '../routing/matcher.ts'
import { typeName } from '../routing/values.ts'
import type { Message, QueueLog } from '../store/log.ts'
import { deadLettering } from './dead-letter.ts'
import { type DefinitionStore, keyOf, saveBinding, savedDefinitions, saveExchange, saveQueue } from './definitions.ts'

/** What the virtual host needs of the store. */
export interface VhostStore {
  readonly definitions: DefinitionStore
  openLog(queueId: number, options: { durable: boolean }): QueueLog
}

/** A message on its way to queues. */
export interface Publication {
  readonly message: Message
  /** Its own routing key, then those of its CC and BCC headers. */
  readonly routingKeys: readonly string[]
  readonly headers: () => Table | undefined
  /** Milliseconds. */
  readonly expiration?: number | undefined
  /** Leaves queues out. */
  readonly isAllowed?: (queue: string) => boolean
}

export interface Published {
  /** How many queues the message was for. */
  readonly reached: number
  /** False if one of them refused it. */
  readonly accepted: boolean
}

export interface Vhost {
  queue(name: string, owner: Owner): Queue
  exchange(name: string): Exchange
  /** A passive declaration: it must be there. */
  checkExchange(name: string): void
  declareQueue(name: string, flags: QueueFlags, args: Table, owner: Owner): Queue
  declareExchange(name: string, flags: Omit<ExchangeFlags, 'type'> & { type: string }, args: Table): void
  deleteQueue(name: string, conditions: { ifUnused: boolean; ifEmpty: boolean }, owner: Owner): number
  deleteExchange(name: string, ifUnused: boolean): void
  bind(binding: Binding, owner: Owner): void
  unbind(binding: Binding): void
  /**
   * Routes a message and gives it to the queues it reaches.
   * @param settled called once every durable queue has it on disk, with false if a queue refused it; at once where no
   * disk is involved
   */
  publish(publication: Publication, settled?: (accepted: boolean) => void): Published
  /** Deletes the exclusive queues of a connection that has ended. */
  release(owner: Owner): void
  queues(): Iterable<Queue>
  close(): void
}

/** The virtual host `/` with everything that the store knows of it. */
export function createVhost(store: VhostStore): Vhost {
  const exchanges = new Map<string, Exchange>()
  const queues = new Map<string, Queue>()
  let lastId = 0

  for (const [name, type, internal = false] of PREDECLARED) {
    exchanges.set(name, createExchange(name, { type, durable: true, autoDelete: false, internal }, {}))
  }
  const events = {
    deadLetter: deadLettering({ publish, exchangeExists: (name) => exchanges.has(name) }),
    unused: removeQueue,
  }
  restore()

  const vhost: Vhost = {
    queue(name, owner) {
      const queue = queues.get(name)
      if (!queue) throw notFound('queue', name)
      checkOwner(queue, owner)
      return queue
    },

    exchange(name) {
      const exchange = exchanges.get(name)
      if (!exchange) throw notFound('exchange', name)
      return exchange
    },

    checkExchange(name) {
      if (name === '') throw defaultExchange()
      vhost.exchange(name)
    },

    declareQueue(asked, flags, args, owner) {
      const options = parseQueueArguments(asked, flags, args)
      const name = asked || `amq.gen-${randomBytes(16).toString('base64url')}`
      const existing = queues.get(name)
      if (existing) {
        checkOwner(existing, owner, flags.exclusive)
        const { durable, autoDelete: auto_delete } = flags
        const current = { durable: existing.flags.durable, auto_delete: existing.flags.autoDelete }
        const typed = (table: Table, type: string) => ({ ...table, 'x-queue-type': type })
        checkEquivalence(
          'queue',
          name,
          { flags: current, args: typed(existing.args, existing.options.type) },
          { flags: { durable, auto_delete }, args: typed(args, options.type) },
        )
        existing.touch()
        return existing
      }
      if (asked.startsWith('amq.')) throw reserved('queue', name)

      const definition = { id: ++lastId, name, flags, args, options, owner: flags.exclusive ? owner : undefined }
      const queue = createQueue(definition, store.openLog(definition.id, { durable: isKept(flags) }), events)
      queues.set(name, queue)
      if (isKept(flags)) saveQueue(store.definitions, queue)
      return queue
    },

    declareExchange(name, { type, ...flags }, args) {
      if (name === '') throw defaultExchange()
      if (!isExchangeType(type)) throw precondition(`unknown exchange type '${type}'`)
      const alternate = args['alternate-exchange']
      if (alternate !== undefined && typeof alternate !== 'string') {
        const found = typeName(alternate)
        throw precondition(
          `invalid type '${found}' for arg 'alternate-exchange' in exchange '${name}' in vhost '${VHOST}'`,
        )
      }
      const existing = exchanges.get(name)
      if (existing) {
        const compared = (of: ExchangeFlags) => {
          return { type: of.type, durable: of.durable, auto_delete: of.autoDelete, internal: of.internal }
        }
        checkEquivalence(
          'exchange',
          name,
          { flags: compared(existing.flags), args: existing.args },
          { flags: compared({ type, ...flags }), args },
        )
        return
      }
      if (name.startsWith('amq.')) throw reserved('exchange', name)
      const exchange = createExchange(name, { type, ...flags }, args)
      exchanges.set(name, exchange)
      if (flags.durable) saveExchange(store.definitions, exchange)
    },

    deleteQueue(name, { ifUnused, ifEmpty }, owner) {
      const queue = queues.get(name)
      if (!queue) return 0
      checkOwner(queue, owner)
      const condition = ifEmpty ? 'if-empty' : ifUnused ? 'if-unused' : undefined
      if (condition && queue.options.type === 'quorum') {
        throw new AmqpError(
          540,
          `cannot delete queue '${name}' in vhost '${VHOST}'. queue.delete operations with ${condition} flag set are ` +
            'not supported by quorum queues',
        )
      }
      if (ifUnused && queue.consumers.size > 0) throw precondition(`queue '${name}' in vhost '${VHOST}' in use`)
      if (ifEmpty && queue.messageCount > 0) throw precondition(`queue '${name}' in vhost '${VHOST}' not empty`)
      const count = queue.messageCount
      removeQueue(queue)
      return count
    },

    deleteExchange(name, ifUnused) {
      const exchange = exchanges.get(name)
      if (name === '') throw defaultExchange()
      if (name.startsWith('amq.'))
        throw refused(`deletion of system exchange '${name}' in vhost '${VHOST}' not allowed`)
      if (!exchange) return
      if (ifUnused && exchange.bindings.size > 0) throw precondition(`exchange '${name}' in vhost '${VHOST}' in use`)
      removeExchange(exchange)
    },

    bind(binding, owner) {
      const { source, destination } = binding
      refuseDefault(binding)
      const exchange = vhost.exchange(source)
      if (destination.kind === 'queue') vhost.queue(destination.name, owner)
      else vhost.exchange(destination.name)
      const problem = exchange.flags.type === 'headers' && headersBindingProblem(binding.arguments)
      if (problem) throw precondition(problem)
      if (exchange.bindings.has(bindingKey(binding))) return
      addBinding(exchange, binding)
      if (exchange.flags.durable && isDurable(destination)) saveBinding(store.definitions, binding)
    },

    unbind(binding) {
      refuseDefault(binding)
      const source = exchanges.get(binding.source)
      const existing = source?.bindings.get(bindingKey(binding))
      if (source && existing) removeBinding(source, existing)
    },

    publish,

    release(owner) {
      for (const queue of queues.values()) if (queue.owner === owner) removeQueue(queue)
    },

    queues: () => queues.values(),

    close() {
      for (const queue of queues.values()) queue.close()
    },
  }
  return vhost

  function restore(): void {
    for (const definition of savedDefinitions(store.definitions)) {
      if (definition.kind === 'exchange') {
        exchanges.set(definition.name, createExchange(definition.name, definition.flags, definition.args))
      } else if (definition.kind === 'queue') {
        const { name, id, flags, args } = definition
        lastId = Math.max(lastId, id)
        const log = store.openLog(id, { durable: true })
        const options = parseQueueArguments(name, flags, args)
        queues.set(name, createQueue({ id, name, flags, args, options, owner: undefined }, log, events))
      } else {
        const { kind, ...binding } = definition
        const source = exchanges.get(binding.source)
        if (source) addBinding(source, binding)
      }
    }
  }

  function publish(publication: Publication, settled?: (accepted: boolean) => void): Published {
    const { message, routingKeys, headers, expiration, isAllowed } = publication
    const target = { exchange: message.exchange, routingKeys, headers }
    const names = route(exchanges, (name) => queues.has(name), target)
    let waiting = 1
    let accepted = true
    const done = settled && (() => void (--waiting === 0 && settled(accepted)))
    if (isAllowed) for (const name of names) if (!isAllowed(name)) names.delete(name)
    for (const name of names) {
      const queue = queues.get(name)
      // A delivery to one can have ended in the removal of another.
      if (!queue) continue
      const isQuorum = queue.options.type === 'quorum'
      // Quorum queues keep every message, whatever its delivery mode.
      const own = isQuorum && !message.persistent ? { ...message, persistent: true } : message
      const onSafe = own.persistent && queue.flags.durable ? done : undefined
      if (onSafe) waiting++
      if (queue.publish(own, expiration, onSafe)) continue
      accepted = false
      if (onSafe) waiting--
    }
    done?.()
    return { reached: names.size, accepted }
  }

  function removeQueue(queue: Queue): void {
    if (!queues.delete(queue.name)) return
    if (isKept(queue.flags)) store.definitions.remove(keyOf.queue(queue.name))
    removeBindingsTo({ kind: 'queue', name: queue.name })
    queue.destroy()
  }

  function removeExchange(exchange: Exchange): void {
    if (!exchanges.delete(exchange.name)) return
    if (exchange.flags.durable) store.definitions.remove(keyOf.exchange(exchange.name))
    for (const binding of exchange.bindings.values()) forget(exchange, binding)
    removeBindingsTo({ kind: 'exchange', name: exchange.name })
  }

  function removeBindingsTo({ kind, name }: Destination): void {
    for (const exchange of exchanges.values()) {
      for (const binding of [...exchange.bindings.values()]) {
        if (binding.destination.kind === kind && binding.destination.name === name) removeBinding(exchange, binding)
      }
    }
  }

  function addBinding(source: Exchange, binding: Binding): void {
    source.bindings.set(bindingKey(binding), binding)
    source.matcher.add(binding)
  }

  function removeBinding(source: Exchange, binding: Binding): void {
    forget(source, binding)
    // An auto-delete exchange goes with the last binding from it.
    if (source.flags.autoDelete && source.bindings.size === 0) removeExchange(source)
  }

  function forget(source: Exchange, binding: Binding): void {
    source.bindings.delete(bindingKey(binding))
    source.matcher.remove(binding)
    store.definitions.remove(keyOf.binding(binding))
  }

  function isDurable({ kind, name }: Destination): boolean {
    return kind === 'queue' ? isKept((queues.get(name) as Queue).flags) : exchanges.get(name)?.flags.durable === true
  }
}

/** Whether a queue outlives the broker's restart. An exclusive one goes with its connection, durable or not. */
function isKept(flags: QueueFlags): boolean {
  return flags.durable && !flags.exclusive
}

function checkOwner(queue: Queue, owner: Owner, exclusive = queue.flags.exclusive): void {
  const isOwn = queue.owner === undefined || queue.owner === owner
  if (isOwn && exclusive === queue.flags.exclusive) return
  throw new AmqpError(
    405,
    `cannot obtain exclusive access to locked queue '${queue.name}' in vhost '${VHOST}'. It could be originally ` +
      'declared on another connection or the exclusive property value does not match that of the original declaration.',
  )
}

function defaultExchange(): AmqpError {
  return refused('operation not permitted on the default exchange')
}

function refuseDefault({ source, destination }: Binding): void {
  if (source === '' || (destination.kind === 'exchange' && destination.name === '')) throw defaultExchange()
}

function reserved(kind: 'queue' | 'exchange', name: string): AmqpError {
  return refused(`${kind} name '${name}' contains reserved prefix 'amq.*'`)
}
