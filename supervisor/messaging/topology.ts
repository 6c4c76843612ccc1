import type { Options } from '../amqp/amqplib-inside.ts'
import type { WorkerPlace } from '../base/dead-letters.ts'
import type { Address } from '../base/definitions.ts'
import { CONSUMER_TIMEOUT_ARGUMENT } from './consumer-timeout.ts'
import { deliverTopology, deliveryBinding, fanoutDestination, suspectDestination } from './delay.ts'
import { AT_LEAST_ONCE, quorumQueue } from './quorum-queue.ts'

/** What exists on the broker for an address: pure data, the same for senders and workers. */
export type Declaration =
  | { kind: 'queue'; name: string; options: Options.AssertQueue }
  | { kind: 'exchange'; name: string; type: 'fanout' | 'topic'; options: Options.AssertExchange }
  | { kind: 'binding'; queue: string; exchange: string; key: string }
  | { kind: 'exchange-binding'; exchange: string; source: string; key: string }

/**
 * Deliveries after which the broker itself dead-letters a message: RabbitMQ 4's default, set for older ones too. It is
 * the last stop for a message that ends its process at every attempt.
 */
const DELIVERY_LIMIT = 20

/** The same for suspects, which their worker counts itself, up to its `attempts`. */
const SUSPECT_DELIVERY_LIMIT = 1_000
/**
 * The limit of queues of dead letters: none. Every look at one counts as a delivery that failed, and one over the limit is
 * dropped. Left out, it is 20 on RabbitMQ 4; -1, which that takes for none, drops at the first return on 3.10.
 */
const NO_DELIVERY_LIMIT = 2 ** 31 - 1

/** The queue of dead letters of a queue or subscription. */
export function deadLetterQueue(queue: string): string {
  return `${queue}.dead`
}

/** The queue of the messages of a queue or subscription that may have ended their process. */
export function suspectQueue(queue: string): string {
  return `${queue}.suspects`
}

/** The queue that a worker consumes, or undefined where each of its processes has one of its own. */
export function workQueue(
  worker: string,
  { address, subscription }: Pick<WorkerPlace, 'address' | 'subscription'>,
): string | undefined {
  if (address.kind === 'queue') return address.name
  return subscription === 'group' ? `${address.name}.${worker}` : undefined
}

/** The queues whose messages a worker's instances share, the one that holds nearly all of them first. */
export function queuesOf(worker: string, place: Pick<WorkerPlace, 'address' | 'subscription'>): string[] {
  const queue = workQueue(worker, place)
  return queue === undefined ? [] : [queue, suspectQueue(queue)]
}

/** The queue of a worker's dead letters, whether its processes share a queue or not. */
export function deadLettersOf(worker: string, { address }: Pick<WorkerPlace, 'address'>): string {
  return deadLetterQueue(address.kind === 'queue' ? address.name : `${address.name}.${worker}`)
}

/** What must exist before an address can be sent to. */
export function addressTopology(address: Pick<Address, 'kind' | 'name'>): Declaration[] {
  return address.kind === 'queue'
    ? workQueueTopology(address.name)
    : [{ kind: 'exchange', name: address.name, type: 'fanout', options: { durable: true } }]
}

/** What must exist before a worker can consume: its address, and its own copy of a fanout. */
export function workerTopology(
  worker: string,
  definition: Pick<WorkerPlace, 'address' | 'subscription'>,
): Declaration[] {
  const { address } = definition
  const queue = workQueue(worker, definition)
  const own = addressTopology(address)
  if (address.kind === 'queue') return own
  if (queue === undefined) {
    return [...own, ...deliverTopology(), deadLetterTopology(deadLettersOf(worker, definition))]
  }
  return [...own, ...workQueueTopology(queue), ...subscriptionBindings(queue, address.name)]
}

/** What makes a queue a subscription: it gets what is published, at once or after a delay. */
export function subscriptionBindings(queue: string, fanout: string): Declaration[] {
  return [{ kind: 'binding', queue, exchange: fanout, key: '' }, deliveryBinding(queue, fanoutDestination(fanout))]
}

/** Where the project's processes note what they declare. Without limits: what is noted there is nowhere else. */
export const REGISTRY = 'warren.registry'

export function registryTopology() {
  return quorumQueue(REGISTRY, { 'x-delivery-limit': NO_DELIVERY_LIMIT })
}

function workQueueTopology(queue: string): Declaration[] {
  const deadLetters = deadLetterQueue(queue)
  return [
    ...deliverTopology(),
    deadLetterTopology(deadLetters),
    consumedQueue(queue, { deadLetters, deliveryLimit: DELIVERY_LIMIT }),
    consumedQueue(suspectQueue(queue), { deadLetters, deliveryLimit: SUSPECT_DELIVERY_LIMIT }),
    deliveryBinding(queue),
    deliveryBinding(suspectQueue(queue), suspectDestination(queue)),
  ]
}

function consumedQueue(
  name: string,
  { deadLetters, deliveryLimit }: { deadLetters: string; deliveryLimit: number },
): Declaration {
  return quorumQueue(name, {
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': deadLetters,
    ...AT_LEAST_ONCE,
    ...CONSUMER_TIMEOUT_ARGUMENT,
  })
}

/** A queue of dead letters. Without limits: a maximum length on it would block the queue whose dead letters it takes. */
export function deadLetterTopology(deadLetters: string): Declaration {
  return quorumQueue(deadLetters, { 'x-delivery-limit': NO_DELIVERY_LIMIT })
}
