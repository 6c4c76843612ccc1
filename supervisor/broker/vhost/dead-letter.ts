import { type FieldValue, textOf } from '../../amqp/fields.ts'
import { decodeHeaders, decodeSomeHeaders, editHeaders, scanProperties } from '../../amqp/properties.ts'
import { later } from '../guard.ts'
import { askedPriority } from '../queues/lanes.ts'
import type { DeadLetterReason, Queue } from '../queues/queue.ts'
import type { Slices } from '../slices.ts'
import { createDeque } from '../store/deque.ts'
import type { Entry } from '../store/log.ts'
import { type Death, deathsOf, isCycle, type NewDeath, recordDeath, withDeaths } from './deaths.ts'
import type { Publication, Published } from './publication.ts'
import type { SetAside } from './set-aside.ts'

/** How long a message that may not be lost waits until its dead letter exchange is asked again. RabbitMQ waits 180 s. */
const RETRY_MS = 30_000

/** The headers that dead-lettering reads; all others stay bytes. */
const OWN_HEADERS = new Set(['CC', 'BCC', 'x-death'])

const NOBODY: Published = { reached: 0, accepted: false }

interface Vhost {
  exchangeExists(name: string): boolean
  publish(publication: Publication): Published
  setAside: SetAside
}

export interface DeadLettering {
  /** Sends what dies in a queue on to its dead letter exchange. */
  deadLetter(queue: Queue, entry: Entry, reason: DeadLetterReason): void
  /**
   * Does something, and sends on what died of it only afterwards: all queues that a message is for get it before they
   * get what it has driven out of another.
   */
  hold<T>(action: () => T): T
}

/**
 * The arrival of a dead letter and its removal from the source are part of one commit, so that a crash leaves exactly
 * one of them.
 */
export function deadLettering(vhost: Vhost, slices: Slices): DeadLettering {
  const owner = {}
  /** What has died and is to be sent on. */
  const deaths = createDeque<() => void>()
  let isHeld = false
  let isSending = false

  function sendOn(queue: Queue, entry: Entry, reason: DeadLetterReason): void {
    if (!queue.isOpen()) return
    try {
      if (!publishOn(queue, entry, reason)) retryLater(queue, entry, reason)
      else queue.ack(entry)
    } catch (error) {
      vhost.setAside(queue, entry, error)
    }
  }

  /** Whether the message may go: it is where it was to go, or nowhere and that is as good. */
  function publishOn(queue: Queue, entry: Entry, reason: DeadLetterReason): boolean {
    const { deadLetterExchange = '', deadLetterStrategy } = queue.options
    const { publication, deaths } = letter(queue, entry, reason)
    const isAllowed = (name: string) => !isCycle(deaths, name)
    const exists = vhost.exchangeExists(deadLetterExchange)
    const { reached, accepted } = exists ? vhost.publish({ ...publication, isAllowed }) : NOBODY
    return deadLetterStrategy === 'at-most-once' || (reached > 0 && accepted)
  }

  function retryLater(queue: Queue, entry: Entry, reason: DeadLetterReason): void {
    later(
      RETRY_MS,
      (error) => vhost.setAside(queue, entry, error),
      () => sendOn(queue, entry, reason),
    )
  }

  /** Sends on what has died, and what dies of that. */
  function* send(): Generator<void> {
    for (let death = deaths.shift(); death; death = deaths.shift()) {
      death()
      yield
    }
  }

  function start(): void {
    while (!isHeld && !isSending && deaths.length > 0) {
      isSending = true
      isSending = !slices.run(owner, send(), () => {
        isSending = false
        start()
      })
    }
  }

  return {
    deadLetter(queue, entry, reason) {
      if (queue.options.deadLetterExchange === undefined) return void queue.ack(entry)
      deaths.push(() => sendOn(queue, entry, reason))
      start()
    },

    hold(action) {
      if (isHeld) return action()
      isHeld = true
      try {
        return action()
      } finally {
        isHeld = false
        start()
      }
    },
  }
}

/** The message as it goes on, and what it died of. */
function letter(
  { name, options }: Queue,
  { message, deliveryCount }: Entry,
  reason: DeadLetterReason,
): { publication: Publication; deaths: Death[] } {
  const { expiration, priority } = scanProperties(message.properties)
  const found = decodeSomeHeaders(message.properties, OWN_HEADERS)
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
  const notes = withDeaths({}, deaths, latest)
  // As bytes: a sender may have written what nothing could encode again.
  const properties = editHeaders(message.properties, notes, true)
  return {
    deaths,
    publication: {
      message: {
        ...message,
        dead: true,
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

/** The keys without the others, each of which takes one away: BCC keys are nobody's business. */
function without(keys: readonly string[], others: readonly string[]): string[] {
  const left = [...keys]
  for (const key of others) if (left.includes(key)) left.splice(left.indexOf(key), 1)
  return left
}

/** Further routing keys in a header. */
function keysIn(value: FieldValue | undefined): string[] {
  return Array.isArray(value) ? value.map(textOf).filter((key) => key !== undefined) : []
}
