import { BrokerUnavailableError, reasonOf } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { deniedPermission } from './explain.ts'
import type { Link } from './link.ts'
import { type Entry, keyOf, type RegistryPage, writePages } from './registry-entries.ts'
import { REGISTRY, registryTopology } from './topology.ts'

/** Messages from which on they are put together: each process adds one for what it declares. */
const MANY = 1_000
/** Of the processes that see so many, one in so many does it; if that is not enough, all of them try. */
const CHANCE = 1 / 16
const FAR_TOO_MANY = 8 * MANY

/** Notes on the broker what this process has declared there. */
export interface Registry {
  /** Adds what is new, in the background, as soon as the broker takes it. */
  note(...entries: Entry[]): void
  /** Goes on over a new link. */
  attach(link: Link): void
  /** The broker takes messages again. */
  resume(): void
  /** Resolves when what was noted is written, or can't be for now. */
  idle(): Promise<void>
}

export interface RegistryOptions {
  log: Logger
  /** Puts the messages together, over a connection of its own. */
  compact: () => Promise<void>
  random?: () => number
}

/**
 * The queue `warren.registry` has what the project has declared, so that what no worker file stands for any more is known on
 * any broker. Processes only ever append to it: each writes what it declares once, whether it is there already or not, so that
 * hundreds can start together without waiting for each other, and one that was lost comes back with the next start. Nothing
 * waits for it, and nothing fails with it.
 */
export function createRegistry({ log, compact, random = Math.random }: RegistryOptions): Registry {
  const wanted = new Map<string, Entry>()
  const written = new Set<string>()
  let current: Link | undefined
  let writing: Promise<void> = Promise.resolve()
  let isTold = false

  function inTurn(step: () => Promise<void>): void {
    writing = writing.then(step).catch(function explain(error: unknown) {
      const reason = reasonOf(error)
      // Orphans will be missed; whatever else this user may not do is told where it is tried.
      if (deniedPermission(error) && !isTold) log.warn({ reason }, "what is declared can't be noted in the registry")
      else log.debug({ reason }, 'the registry can not be written: later')
      isTold ||= deniedPermission(error) !== undefined
    })
  }

  async function open(link: Link): Promise<void> {
    const { name, options } = registryTopology()
    const { messageCount } = await link.withChannel((channel) => channel.assertQueue(name, options))
    // It is new, or somebody is looking at it right now: once more does no harm.
    if (messageCount === 0) written.clear()
    current = link
    if (messageCount > MANY && (random() < CHANCE || messageCount > FAR_TOO_MANY)) {
      compact().catch((error) => log.debug({ reason: reasonOf(error) }, 'the registry could not be compacted'))
    }
  }

  async function write(): Promise<void> {
    const link = current
    const due = [...wanted].filter(([key]) => !written.has(key))
    if (!link || link.lost.aborted || due.length === 0) return
    await append(link, writePages(due.map(([, entry]) => entry)))
    for (const [key] of due) written.add(key)
  }

  return {
    note(...entries) {
      const unknown = entries.filter((entry) => !wanted.has(keyOf(entry)))
      for (const entry of unknown) wanted.set(keyOf(entry), entry)
      if (unknown.length > 0) inTurn(write)
    },
    attach(link) {
      inTurn(() => open(link))
      inTurn(write)
    },
    resume: () => inTurn(write),
    idle: () => writing,
  }
}

/**
 * Appends to the registry, and resolves when the broker has confirmed it. On a channel of its own: one that the broker ends,
 * because the user lacks a permission, takes nothing else with it.
 */
export async function append(link: Link, pages: readonly RegistryPage[]): Promise<void> {
  await link.withConfirmChannel(async (channel) => {
    let isReturned = false
    channel.on('return', () => {
      isReturned = true
    })
    const confirms = pages.map(function publish({ id: messageId, body }) {
      const own = { messageId, contentType: 'application/json', type: REGISTRY, appId: 'warren', headers: {} }
      const publication = {
        exchange: '',
        routingKey: REGISTRY,
        properties: { ...own, persistent: true, mandatory: true },
      }
      return new Promise<void>((resolve, reject) =>
        channel.send(publication, body, (error) => (error ? reject(error) : resolve())),
      )
    })
    await Promise.all(confirms)
    if (isReturned) throw new BrokerUnavailableError(`queue '${REGISTRY}' was deleted meanwhile`)
  })
}
