import { createHash } from 'node:crypto'
import type { Incoming } from '../base/message.ts'
import { AT_LEAST_ONCE, quorumQueue } from './quorum-queue.ts'
import type { Declaration } from './topology.ts'

/** A delay is a number of ticks in binary: each of its ones is a wait at that level's queue. */
const LEVELS = 28

/** Milliseconds of a tick: what the lowest level waits. A delay is rounded up to whole ticks. */
export const TICK_MS = 100

/** Where messages come out of the network, to be routed to the queue that they are for. */
export const DELIVER = 'warren.deliver'
/** Takes what `warren.deliver` has no queue for, so that it is neither lost nor in the way. */
export const UNDELIVERABLE = 'warren.undeliverable'

/** The queues in which messages wait, from the lowest level up: each sends on to the one before it. */
export function delayQueues(): string[] {
  return Array.from({ length: LEVELS }, (_, level) => levelName(level))
}

/** Where to publish a message that is to arrive at a queue later. */
export interface DelayRoute {
  readonly exchange: string
  readonly routingKey: string
}

/**
 * The way through the network: in at the level of the highest one, then down level by level.
 * @param ms milliseconds, more than 0 and at most `MAX_DELAY_MS`
 * @param destination the last words of the routing key: a queue's name, or `fanoutDestination`
 */
export function delayRoute(ms: number, destination: string): DelayRoute {
  const bits = Math.ceil(ms / TICK_MS)
    .toString(2)
    .padStart(LEVELS, '0')
  return {
    exchange: levelName(LEVELS - 1 - bits.indexOf('1')),
    routingKey: `${[...bits].join('.')}.${destination}`,
  }
}

/** The destination of what goes to every subscription of a fanout. No queue has a name with a colon. */
export function fanoutDestination(fanout: string): string {
  return `fanout:${fanout}`
}

/**
 * The destination of what goes to a queue's suspects. The name itself would not do: a routing key has 255 bytes, and the
 * longest names leave no room for a word more.
 */
export function suspectDestination(queue: string): string {
  return `suspects:${createHash('sha256').update(queue).digest('hex').slice(0, 32)}`
}

/** The way of a message to its next attempt: to its queue, or to the suspects. @param delayMs 0: at once */
export function retryRoute(
  { queue, suspects }: Pick<Incoming, 'queue' | 'suspects'>,
  delayMs: number,
  asSuspect: boolean,
): DelayRoute {
  const to = asSuspect && suspects !== undefined ? suspects : queue
  if (delayMs === 0) return { exchange: '', routingKey: to }
  return delayRoute(delayMs, to === queue ? queue : suspectDestination(queue))
}

/** Binds a queue to what comes out of the network for a destination. */
export function deliveryBinding(queue: string, destination = queue): Declaration {
  return { kind: 'binding', queue, exchange: DELIVER, key: `${words(LEVELS)}${destination}` }
}

/** What every queue that delayed messages are for is bound to. */
export function deliverTopology(): Declaration[] {
  const alternate = { durable: true, arguments: { 'alternate-exchange': UNDELIVERABLE } }
  return [
    { kind: 'exchange', name: UNDELIVERABLE, type: 'fanout', options: { durable: true } },
    quorumQueue(UNDELIVERABLE),
    { kind: 'binding', queue: UNDELIVERABLE, exchange: UNDELIVERABLE, key: '' },
    { kind: 'exchange', name: DELIVER, type: 'topic', options: alternate },
  ]
}

/** The network: from the lowest level up, so that no message gets in before its way out is there. */
export function delayTopology(): Declaration[] {
  return [...deliverTopology(), ...Array.from({ length: LEVELS }, (_, level) => levelTopology(level)).flat()]
}

// At-least-once dead-lettering: on its way from level to level a message is never in one place only.
function levelTopology(level: number): Declaration[] {
  const name = levelName(level)
  const next = level === 0 ? DELIVER : levelName(level - 1)
  const before = words(LEVELS - 1 - level)
  return [
    { kind: 'exchange', name, type: 'topic', options: { durable: true } },
    quorumQueue(name, { 'x-message-ttl': TICK_MS * 2 ** level, 'x-dead-letter-exchange': next, ...AT_LEAST_ONCE }),
    { kind: 'binding', queue: name, exchange: name, key: `${before}1.#` },
    { kind: 'exchange-binding', exchange: next, source: name, key: `${before}0.#` },
  ]
}

function levelName(level: number): string {
  return `warren.delay.${level}`
}

function words(count: number): string {
  return '*.'.repeat(count)
}
