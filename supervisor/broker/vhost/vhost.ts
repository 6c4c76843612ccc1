import { randomBytes } from 'node:crypto'
import type { Table } from '../../amqp/fields.ts'
import { SET_ASIDE } from '../../base/set-aside.ts'
import { notFound, precondition, refused, VHOST } from '../errors.ts'
import type { Pressure } from '../pressure.ts'
import { parseQueueArguments, type QueueFlags, queueOptions } from '../queues/arguments.ts'
import { RANKS } from '../queues/lanes.ts'
import { createQueue } from '../queues/message-queue.ts'
import type { Owner, Queue, QueueDefinition, QueueTools } from '../queues/queue.ts'
import { bindingKey } from '../routing/binding-key.ts'
import { createExchange, type Exchange, type ExchangeFlags, PREDECLARED } from '../routing/exchanges.ts'
import type { Binding, Destination } from '../routing/matcher.ts'
import type { QueueLog } from '../store/log.ts'
import type { Store } from '../store/store.ts'
import {
  checkAlternate,
  checkBinding,
  checkDeletion,
  checkedType,
  checkOwner,
  checkRoom,
  checkSameExchange,
  checkSameQueue,
  defaultExchange,
  refuseDefault,
  reserved,
} from './checks.ts'
import { deadLettering } from './dead-letter.ts'
import { keyOf, saveBinding, saveExchange, saveQueue } from './definitions.ts'
import { distribute } from './distribute.ts'
import { createLinks } from './links.ts'
import type { Publication, Routed } from './publication.ts'
import { queueTable } from './queue-table.ts'
import { restore } from './restore.ts'
import { type SettingAside, settingAside } from './set-aside.ts'

/** What the virtual host needs of the store. */
export type VhostStore = Pick<Store, 'definitions' | 'openLog' | 'share' | 'lastQueueId' | 'removeOthers' | 'mayExpire'>

/** What the virtual host and its queues share with others. */
export interface VhostTools extends QueueTools {
  readonly log: SettingAside['log']
  /** How many queues there may be. @default any number */
  readonly maxQueues?: number
  /** Milliseconds that a dead letter waits that may not be lost and can go nowhere. @default 30 s */
  readonly retryMs?: number | undefined
}

export interface Vhost {
  queue(name: string, owner: Owner): Queue
  exchange(name: string): Exchange
  /** A passive declaration: it must be there. */
  checkExchange(name: string): void
  declareQueue(name: string, flags: QueueFlags, args: Table, owner: Owner): Queue
  declareExchange(name: string, flags: Omit<ExchangeFlags, 'type'> & { type: string }, args: Table): void
  deleteQueue(name: string, conditions: { ifUnused: boolean; ifEmpty: boolean }, owner: Owner): DeletedQueue
  /** Resolves when nothing of it is left. */
  deleteExchange(name: string, ifUnused: boolean): Promise<void>
  bind(binding: Binding, owner: Owner): void
  unbind(binding: Binding, owner: Owner): void
  /**
   * Routes a message; its steps give it to the queues it reaches.
   * @param settled called once every durable queue has it on disk, with false if a queue refused it; at once where no
   * disk is involved
   */
  publish(publication: Publication, settled?: (accepted: boolean) => void): Routed
  /** The steps that make way for a declaration: what is left of a deleted one of its name, which can be much, goes first. */
  makeWay(destination: Destination): Generator<void>
  /** The steps that delete the exclusive queues of a connection that has ended. What they return resolves when all of it is gone. */
  release(owner: Owner): Generator<void, Promise<unknown>>
  /** Those that somebody has asked for since the start: no others have consumers. */
  queues(): Iterable<Queue>
  /** Busy while many dead letters are still to be sent on. */
  readonly pressure: Pressure
  close(): void
}

export interface DeletedQueue {
  /** How many messages it had. */
  readonly messageCount: number
  /** Resolves when nothing of it is left. */
  readonly cleared: Promise<void>
}

const DURABLE: QueueFlags = { durable: true, exclusive: false, autoDelete: false }

/** The virtual host `/` with everything that the store knows of it. */
export function createVhost(store: VhostStore, tools: VhostTools): Vhost {
  const exchanges = new Map<string, Exchange>()
  const queues = queueTable((definition) => createQueue(definition, logOf(definition), events, tools))
  let lastId = store.lastQueueId
  /** Exclusive queues. */
  const owned = new Map<Owner, Set<Queue>>()

  for (const [name, type, internal = false] of PREDECLARED) {
    exchanges.set(name, createExchange(name, { type, durable: true, autoDelete: false, internal }, {}))
  }
  const setAside = settingAside({
    log: tools.log,
    target: () => queues.get(SET_ASIDE) ?? addQueue(SET_ASIDE, DURABLE, {}),
  })
  const exchangeExists = (name: string) => exchanges.has(name)
  const deadLetters = deadLettering({ publish, exchangeExists, setAside }, tools)
  const events = { deadLetter: deadLetters.deadLetter, setAside, unused: removeQueue }
  const links = createLinks({ definitions: store.definitions, slices: tools.slices, onUnused })
  // What has expired meanwhile goes on once all queues are there.
  deadLetters.hold(restoreAll)

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

    declareQueue(asked, { durable, ...others }, args, owner) {
      // What goes with its connection cannot be durable (RabbitMQ 4.0.5 changes it in silence).
      const flags = { ...others, durable: durable && !others.exclusive }
      const name = asked || `amq.gen-${randomBytes(16).toString('base64url')}`
      const existing = queues.get(name)
      if (existing) {
        checkOwner(existing, owner, flags.exclusive)
        checkSameQueue(existing, { flags, args })
        existing.touch()
        return existing
      }
      const options = parseQueueArguments(asked, flags, args)
      if (asked.startsWith('amq.')) throw reserved('queue', name)
      checkRoom(name, queues.size, tools.maxQueues)

      const queue = addQueue(name, flags, args, options, flags.exclusive ? owner : undefined)
      if (flags.exclusive) owned.set(owner, (owned.get(owner) ?? new Set()).add(queue))
      return queue
    },

    declareExchange(name, { type, ...flags }, args) {
      if (name === '') throw defaultExchange()
      const checked = { ...flags, type: checkedType(type) }
      checkAlternate(name, args)
      const existing = exchanges.get(name)
      if (existing) return checkSameExchange(existing, { flags: checked, args })
      if (name.startsWith('amq.')) throw reserved('exchange', name)
      for (const _ of links.forget({ kind: 'exchange', name }));
      const exchange = createExchange(name, checked, args)
      exchanges.set(name, exchange)
      if (flags.durable) saveExchange(store.definitions, exchange)
    },

    deleteQueue(name, { ifUnused, ifEmpty }, owner) {
      const queue = queues.get(name)
      if (!queue) return { messageCount: 0, cleared: Promise.resolve() }
      checkOwner(queue, owner)
      checkDeletion(queue, ifUnused, ifEmpty)
      const { messageCount } = queue
      return { messageCount, cleared: removeQueue(queue) }
    },

    deleteExchange(name, ifUnused) {
      const exchange = exchanges.get(name)
      if (name === '') throw defaultExchange()
      if (name.startsWith('amq.'))
        throw refused(`deletion of system exchange '${name}' in vhost '${VHOST}' not allowed`)
      if (!exchange) return Promise.resolve()
      if (ifUnused && exchange.bindings.size > 0) throw precondition(`exchange '${name}' in vhost '${VHOST}' in use`)
      return removeExchange(exchange)
    },

    bind(binding, owner) {
      const { source, destination } = binding
      refuseDefault(binding)
      const exchange = vhost.exchange(source)
      const queue = destination.kind === 'queue' ? queues.get(destination.name) : undefined
      if (destination.kind === 'exchange') vhost.exchange(destination.name)
      else if (!queue) throw notFound('queue', destination.name)
      checkBinding(exchange, binding, queue)
      if (queue) checkOwner(queue, owner)
      if (exchange.bindings.has(bindingKey(binding))) return
      const isSaved = exchange.flags.durable && isDurable(destination)
      links.add(exchange, binding, isSaved)
      if (isSaved) saveBinding(store.definitions, binding)
    },

    unbind(binding, owner) {
      refuseDefault(binding)
      const source = exchanges.get(binding.source)
      const existing = source?.bindings.get(bindingKey(binding))
      if (!source || !existing) return
      const queue = binding.destination.kind === 'queue' && queues.get(binding.destination.name)
      if (queue) checkOwner(queue, owner)
      links.remove(source, existing)
    },

    publish,

    *release(owner) {
      const removed: Promise<void>[] = []
      for (const queue of owned.get(owner) ?? []) {
        removed.push(removeQueue(queue))
        yield
      }
      return Promise.all(removed)
    },

    *makeWay(destination) {
      const { kind, name } = destination
      if (!(kind === 'queue' ? queues : exchanges).has(name)) yield* links.forget(destination)
    },

    queues: () => queues.made(),
    pressure: deadLetters.pressure,

    close() {
      for (const queue of queues.made()) queue.close()
    },
  }
  return vhost

  function restoreAll(): void {
    const known = restore({ store, exchanges, queues, links })
    for (const id of known) lastId = Math.max(lastId, id)
    store.removeOthers(known)
  }

  function addQueue(name: string, flags: QueueFlags, args: Table, options = queueOptions(args), owner?: Owner): Queue {
    for (const _ of links.forget({ kind: 'queue', name }));
    const definition = { id: ++lastId, name, flags, args, options, owner }
    const queue = createQueue(definition, logOf(definition), events, tools)
    queues.add(queue)
    if (flags.durable) saveQueue(store.definitions, queue)
    return queue
  }

  function logOf({ id, flags, options }: QueueDefinition): QueueLog {
    // Quorum queues serve what came back before all else, in the order in which it came (RabbitMQ 4.0.5).
    const { type } = options
    const returns = type === 'quorum' ? 'fifo' : 'position'
    return store.openLog(id, { durable: flags.durable, returns, rankOf: RANKS[type] })
  }

  function publish(publication: Publication, settled?: (accepted: boolean) => void): Routed {
    const places = { exchanges, queues, share: store.share, lastId, during: deadLetters.hold }
    return distribute(places, publication, settled)
  }

  function removeQueue(queue: Queue): Promise<void> {
    const { name, flags, owner } = queue
    if (queues.get(name) !== queue) return Promise.resolve()
    queues.delete(name)
    const others = owner && owned.get(owner)
    if (others?.delete(queue) && others.size === 0) owned.delete(owner as Owner)
    if (flags.durable) {
      store.definitions.remove(keyOf.queue(name))
      // Both are part of one commit, unless something of it is still to be sent on: messages of a queue that is no more would
      // go to another one with its number.
      destroy(queue)
    }
    queue.close()
    return links.drop(queue, clear(queue, links.unbind({ kind: 'queue', name })))
  }

  function* clear(queue: Queue, bindings: Generator<void>): Generator<void> {
    destroy(queue)
    yield
    yield* bindings
  }

  function destroy(queue: Queue): void {
    // At once: on a full disk it may be the space that everything else waits for.
    queue.purge()
    deadLetters.afterwards(() => queue.destroy())
  }

  function removeExchange(exchange: Exchange): Promise<void> {
    if (exchanges.get(exchange.name) !== exchange) return Promise.resolve()
    exchanges.delete(exchange.name)
    if (exchange.flags.durable) store.definitions.remove(keyOf.exchange(exchange.name))
    return links.dropExchange(exchange)
  }

  /** An auto-delete exchange goes with the last binding from it. */
  function onUnused(exchange: Exchange): void {
    if (exchange.flags.autoDelete) removeExchange(exchange)
  }

  function isDurable({ kind, name }: Destination): boolean {
    return kind === 'queue' ? (queues.get(name) as Queue).flags.durable : exchanges.get(name)?.flags.durable === true
  }
}
