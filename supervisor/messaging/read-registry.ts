import { setTimeout as delay } from 'node:timers/promises'
import { idOf } from './dead-letter.ts'
import type { Link } from './link.ts'
import { withOwnLink } from './open-any.ts'
import { append } from './registry.ts'
import { type Entry, mergeEntries, readPage, writePages } from './registry-entries.ts'
import { REGISTRY } from './topology.ts'
import { visiting } from './visit.ts'

/** Messages from which on whoever reads them puts them together, too. */
const SOME = 100
/** Milliseconds for the broker to confirm what they are put together in. */
const APPEND_TIMEOUT_MS = 5_000

export interface ReadOptions {
  /** Entries to leave out from now on. */
  forget?: (entry: Entry) => boolean
  /** Milliseconds to wait for somebody else who is at it. */
  patience?: number
}

/**
 * What the project has declared, each thing once. Where there are many messages, they are put together.
 * @param link one that nobody else uses, and that is closed afterwards, whatever happens
 * @throws DeadLettersBusyError while somebody else is at it
 */
export function readRegistry(
  link: Link,
  { forget = () => false, patience = 5_000 }: ReadOptions = {},
): Promise<Entry[]> {
  return visiting(link, REGISTRY, patience, async function look(visit): Promise<Entry[]> {
    const found: Entry[] = []
    const read = new Set<string>()
    await visit((message) => {
      const { entries, isWhole } = readPage(message.content)
      found.push(...entries)
      if (isWhole) read.add(idOf(message))
      return {}
    })
    const all = [...mergeEntries(found).values()]
    const kept = all.filter((entry) => !forget(entry))
    if (kept.length === all.length && read.size <= Math.max(SOME, pageLimit(kept))) return kept
    try {
      // First the copy, then what it is a copy of: at any point there is one.
      await withTimeout(append(link, writePages(kept)))
      await visit((message) => ({ remove: read.has(idOf(message)) }))
    } catch (error) {
      // They stay, and the next one tries.
      if (link.lost.aborted) throw error
    }
    return kept
  })
}

/** Puts the messages together, over a connection of its own, unless somebody is at it. */
export async function compactRegistry(urls: readonly string[], name: string): Promise<void> {
  await withOwnLink(urls, `${name} registry`, (link) => readRegistry(link, { patience: 0 }))
}

// An alarm of the broker blocks whoever publishes, for as long as it lasts.
function withTimeout(appending: Promise<void>): Promise<void> {
  const tooLate = delay(APPEND_TIMEOUT_MS, undefined, { ref: false }).then(() => {
    throw new Error('the broker did not confirm in time')
  })
  return Promise.race([appending, tooLate])
}

function pageLimit(entries: readonly Entry[]): number {
  return 2 * writePages(entries).length
}
