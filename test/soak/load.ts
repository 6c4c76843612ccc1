import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel } from 'amqplib'
import { z } from 'zod'
import type { Bus } from '../../supervisor/base/bus.ts'
import { defineFanout, defineQueue } from '../../supervisor/base/definitions.ts'
import { UnavailableError, UnroutableError } from '../../supervisor/base/errors.ts'

const data = z.object({ n: z.int(), pad: z.string() })
const QUEUES = {
  good: defineQueue('good', { data, result: z.object({ n: z.int() }) }),
  flaky: defineQueue('flaky', { data }),
  bad: defineQueue('bad', { data }),
  relay: defineQueue('relay', { data }),
  thread: defineQueue('thread', { data }),
  poison: defineQueue('poison', { data }),
}
const EVENT = defineFanout('event', { data })

/** How often each kind of traffic is chosen, of all. */
const WEIGHTS = { good: 40, http: 10, flaky: 12, bad: 1, relay: 10, thread: 6, event: 15, delayed: 4, call: 2 } as const
type Kind = keyof typeof WEIGHTS
const KINDS = (Object.keys(WEIGHTS) as Kind[]).flatMap((kind) => Array<Kind>(WEIGHTS[kind]).fill(kind))
const SIZES = [0, 10, 300, 4_000, 8_180, 8_200, 65_520, 131_060, 131_080, 300_000]

/** What has been accepted, by the address: the ids. */
export interface Books {
  readonly accepted: ReadonlyMap<string, ReadonlySet<string>>
  /** How many were accepted, of each kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Rejections by their code; each was sent again, with the same id. */
  readonly resent: Readonly<Record<string, number>>
}

export interface LoadOptions {
  readonly bus: Bus
  /** A raw channel, for messages that no Warren would send. */
  readonly foreign: () => Promise<Channel>
  /** The front door. */
  readonly http: string
  readonly random: () => number
  /** Messages on their way at a time. */
  readonly senders: number
  /** Whether to wait with more, now that so many have been accepted. */
  readonly isTooMuch: (accepted: number) => boolean
}

export interface Load extends Books {
  /** How many were accepted in all. */
  readonly total: number
  /** Sends one that ends its process, an even one, and one that does not to the same worker. */
  poison(): Promise<void>
  stop(): Promise<void>
}

/** Sends mixed traffic until it is stopped; what is not confirmed is sent again with its id. */
export function startLoad({ bus, foreign, http, random, senders, isTooMuch }: LoadOptions): Load {
  const accepted = new Map<string, Set<string>>([...Object.keys(QUEUES), 'event'].map((name) => [name, new Set()]))
  const counts: Record<string, number> = {}
  const resent: Record<string, number> = {}
  let n = 0
  let stopped = false
  const running = Promise.all([...Array.from({ length: senders }, sendOn), sendForeign()])
  running.catch(() => {})

  function total(): number {
    return [...accepted.values()].reduce((sum, ids) => sum + ids.size, 0)
  }

  async function sendOn(): Promise<void> {
    while (!stopped) {
      if (isTooMuch(total())) await sleep(50)
      else await one(KINDS[Math.floor(random() * KINDS.length)] as Kind)
      // Not as fast as it goes: an hour of this has to be read afterwards.
      await sleep(random() * 20)
    }
  }

  async function one(kind: Kind): Promise<void> {
    const number = n++
    const size = SIZES[Math.floor(random() * SIZES.length)] as number
    const message = { n: number, pad: 'Ξ'.repeat(size / 2) }
    const id = `${kind}-${number}`
    if (kind === 'event') await accept('event', id, () => bus.publish(EVENT, message, { id }))
    else if (kind === 'http') await accept('good', id, () => post(id, message))
    else if (kind === 'delayed') {
      await accept('good', id, () => bus.send(QUEUES.good, message, { id, delay: Math.ceil(random() * 3_000) }))
    } else if (kind === 'call') await call(id, message)
    else await accept(kind, id, () => bus.send(QUEUES[kind], message, { id }))
    counts[kind] = (counts[kind] ?? 0) + 1
  }

  async function accept(address: string, id: string, send: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await send()
        accepted.get(address)?.add(id)
        return
      } catch (error) {
        if (!(error instanceof UnavailableError || error instanceof UnroutableError)) throw error
        resent[error.code] = (resent[error.code] ?? 0) + 1
        await sleep(100)
      }
    }
  }

  // A call is answered or it is not: the caller knows, and asks again if it wants to.
  async function call(id: string, message: z.input<typeof data>): Promise<void> {
    try {
      await bus.call(QUEUES.good, message, { id, timeout: '10s' })
      accepted.get('good')?.add(id)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      resent[error.code] = (resent[error.code] ?? 0) + 1
    }
  }

  async function post(id: string, message: unknown): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const options = { method: 'POST', headers, body: JSON.stringify(message), signal: AbortSignal.timeout(20_000) }
    const response = await fetch(`${http}/soak/${id}`, options).catch(() => undefined)
    await response?.arrayBuffer().catch(() => {})
    if (response?.status === 202) return
    if (response && response.status < 500)
      throw new Error(`expected 202 or 5xx of the front door, got ${response.status}`)
    throw new UnavailableError(`HTTP_${response?.status ?? 'FAILED'}`, 'the front door did not take it')
  }

  // Whatever they are, their neighbours must not notice.
  async function sendForeign(): Promise<void> {
    while (!stopped) {
      await sleep(200 + random() * 800)
      try {
        const channel = await foreign()
        const body = random() < 0.5 ? Buffer.from(JSON.stringify({ n: 1, pad: '' })) : garbage()
        channel.publish('', 'good', body, { persistent: true, messageId: `foreign-${n++}`, ...odd() })
        counts.foreign = (counts.foreign ?? 0) + 1
      } catch {
        // The broker is away, or has closed the channel.
      }
    }
  }

  function garbage(): Buffer {
    return Buffer.from(Array.from({ length: Math.floor(random() * 2_000) }, () => Math.floor(random() * 256)))
  }

  function odd(): Record<string, unknown> {
    const properties = [
      { headers: { 'x-attempt': 'many', 'x-delivery-count': { toString: 1 }, __proto__: null } },
      { headers: { nested: { a: [{ b: [1, 2, { c: null }] }] }, 'x-death': [{ time: 1 }] } },
      { correlationId: '\u00e9'.repeat(100), replyTo: 'event.second' },
      { contentEncoding: 'gzip' },
      { type: 'x'.repeat(200), appId: '', timestamp: 2 ** 53 },
      { priority: 255, contentType: 'text/plain' },
    ]
    return properties[Math.floor(random() * properties.length)] as Record<string, unknown>
  }

  return {
    accepted,
    get total() {
      return total()
    },
    counts,
    resent,
    async poison() {
      const even = n * 2
      for (const number of [even, even + 1]) {
        const id = `poison-${number}`
        await accept('poison', id, () => bus.send(QUEUES.poison, { n: number, pad: '' }, { id }))
      }
      n++
      counts.poison = (counts.poison ?? 0) + 1
    },
    async stop() {
      stopped = true
      await running
    },
  }
}
