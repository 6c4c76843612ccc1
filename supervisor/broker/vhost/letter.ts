import { encodeTable, type FieldValue, textOf } from '../../amqp/fields.ts'
import {
  addHeaders,
  decodeHeaders,
  decodeSomeHeaders,
  dropExpiration,
  editHeaders,
  scanProperties,
} from '../../amqp/properties.ts'
import { askedPriority } from '../queues/lanes.ts'
import type { DeadLetterReason, Queue } from '../queues/queue.ts'
import type { Entry } from '../store/log.ts'
import { type Death, deathsOf, type NewDeath, recordDeath, withDeaths } from './deaths.ts'
import type { Publication } from './publication.ts'

/** The headers that dead-lettering reads; all others stay bytes. */
const OWN_HEADERS = new Set(['CC', 'BCC', 'x-death'])

// Their names are part of what Warren has on brokers, and never change.
const DELAY = 'warren.delay.'
const DELIVER = 'warren.deliver'

/** What the last first death in a queue was noted as. */
const lastNotes = new WeakMap<Queue, { death: NewDeath; fields: Buffer }>()

export interface Letter {
  readonly publication: Publication
  /** What it died of, the latest first. */
  readonly deaths: readonly Death[]
}

/** The message as it goes on, and what it died of. */
export function letterOf(queue: Queue, entry: Entry, reason: DeadLetterReason): Letter {
  const { name, options } = queue
  const { message, deliveryCount } = entry
  const { expiration, priority, deliveryMode } = scanProperties(message.properties)
  const hasOwn = message.dead || message.properties.includes('CC')
  const found = hasOwn ? decodeSomeHeaders(message.properties, OWN_HEADERS) : {}
  const hidden = message.onlyKey ? [] : keysIn(found.BCC)
  const ownKeys = [message.routingKey, ...(message.onlyKey ? [] : keysIn(found.CC)), ...hidden]
  const earlier = message.dead ? deathsOf(found) : []
  const latest: NewDeath = {
    reason,
    queue: name,
    time: Math.floor(Date.now() / 1000),
    exchange: message.exchange,
    routingKeys: without(ownKeys, hidden),
    originalExpiration: expiration,
  }
  const deaths = recordDeath(earlier, latest)

  const replaced = options.deadLetterRoutingKey
  const routingKeys = replaced === undefined ? ownKeys : [replaced]
  // As bytes: a sender may have written what nothing could encode again.
  const isFirst = earlier.length === 0 && !message.properties.includes('-death')
  const properties = isFirst
    ? addHeaders(message.properties, firstNotes(queue, latest))
    : editHeaders(message.properties, withDeaths({}, deaths, latest), true)
  return {
    deaths,
    publication: {
      message: {
        ...message,
        dead: true,
        // A quorum queue has kept it all the same, which is no business of the next one.
        persistent: deliveryMode === 2,
        failures: deliveryCount,
        // The headers with further keys stay, to be read (RabbitMQ 4.3).
        onlyKey: message.onlyKey === true || replaced !== undefined,
        // Not the lane that its queue had for it.
        priority: askedPriority(priority),
        exchange: options.deadLetterExchange as string,
        routingKey: routingKeys[0] as string,
        properties,
      },
      routingKeys,
      headers: () => decodeHeaders(properties),
    },
  }
}

/** What a message gets that has not died before: mostly the same bytes as the one before it. */
function firstNotes(queue: Queue, death: NewDeath): Buffer {
  const last = lastNotes.get(queue)
  if (last && isSameDeath(last.death, death)) return last.fields
  const fields = encodeTable(withDeaths({}, recordDeath([], death), death)).subarray(4)
  lastNotes.set(queue, { death, fields })
  return fields
}

function isSameDeath(one: NewDeath, other: NewDeath): boolean {
  return (
    one.time === other.time &&
    one.reason === other.reason &&
    one.exchange === other.exchange &&
    one.originalExpiration === other.originalExpiration &&
    one.routingKeys.length === other.routingKeys.length &&
    one.routingKeys.every((key, index) => key === other.routingKeys[index])
  )
}

/** The level of a queue of the network in which Warren's messages wait; undefined for any other name. */
export function delayLevel(name: string): number | undefined {
  return name.startsWith(DELAY) ? Number(name.slice(DELAY.length)) : undefined
}

/**
 * The level on which a message passes that network; undefined for what is no part of that. What passes goes down through
 * dozens of queues, and dies of none; a message that has died elsewhere does not get there from Warren.
 */
export function passedLevel({ name, options }: Queue, { message }: Entry): number | undefined {
  const level = message.dead || options.deadLetterRoutingKey !== undefined ? undefined : delayLevel(name)
  if (level === undefined) return undefined
  const next = level === 0 ? DELIVER : `${DELAY}${level - 1}`
  return options.deadLetterExchange === next ? level : undefined
}

/** What has waited in that network goes on as it is. */
export function passingOn({ options }: Queue, { message, deliveryCount }: Entry): Letter {
  const properties = dropExpiration(message.properties)
  const { priority, deliveryMode } = scanProperties(properties)
  const found = properties.includes('CC') ? decodeSomeHeaders(properties, OWN_HEADERS) : {}
  const furtherKeys = message.onlyKey ? [] : [...keysIn(found.CC), ...keysIn(found.BCC)]
  return {
    deaths: [],
    publication: {
      message: {
        ...message,
        persistent: deliveryMode === 2,
        failures: deliveryCount,
        priority: askedPriority(priority),
        exchange: options.deadLetterExchange as string,
        properties,
      },
      routingKeys: [message.routingKey, ...furtherKeys],
      headers: () => decodeHeaders(properties),
    },
  }
}

/** The keys without the others, each of which takes one away: BCC keys are nobody's business. */
function without(keys: readonly string[], others: readonly string[]): string[] {
  if (others.length === 0) return [...keys]
  const taken = new Map<string, number>()
  for (const key of others) taken.set(key, (taken.get(key) ?? 0) + 1)
  return keys.filter(function isLeft(key) {
    const more = taken.get(key) ?? 0
    if (more > 0) taken.set(key, more - 1)
    return more === 0
  })
}

/** Further routing keys in a header. */
function keysIn(value: FieldValue | undefined): string[] {
  return Array.isArray(value) ? value.map(textOf).filter((key) => key !== undefined) : []
}
