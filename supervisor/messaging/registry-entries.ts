import { randomUUID } from 'node:crypto'
import type { WorkerPlace } from '../base/dead-letters.ts'
import { isName } from '../base/names.ts'

/** Something that the project has declared on its broker: an address, or with a worker what that worker consumes. */
export interface Entry {
  readonly kind: 'queue' | 'fanout'
  /** The address's name. */
  readonly name: string
  /** Null: a sender declared it. */
  readonly worker: string | null
  readonly subscription: 'group' | 'instance' | null
  /** When a process declared it last, as far as was noted: ISO 8601. */
  readonly at: string
}

/** Bytes of a message's body, about: well below what a client sends in one piece. */
const PAGE_BYTES = 4 * 1024

export function entryOfAddress({ kind, name }: WorkerPlace['address'], at = new Date()): Entry {
  return { kind, name, worker: null, subscription: null, at: at.toISOString() }
}

export function entryOfWorker({ name: worker, address, subscription }: WorkerPlace, at = new Date()): Entry {
  return { ...entryOfAddress(address, at), worker, subscription }
}

/** What makes two entries one: all but the time. */
export function keyOf({ kind, name, worker, subscription }: Entry): string {
  return `${kind} ${name} ${worker ?? ''} ${subscription ?? ''}`
}

/** Each entry once, with its latest time. */
export function mergeEntries(entries: Iterable<Entry>): Map<string, Entry> {
  const merged = new Map<string, Entry>()
  for (const entry of entries) {
    const key = keyOf(entry)
    const known = merged.get(key)
    if (!known || known.at < entry.at) merged.set(key, entry)
  }
  return merged
}

/** A message of the registry. */
export interface RegistryPage {
  readonly id: string
  readonly body: Buffer
}

/** The entries as messages of a few kilobytes. */
export function writePages(entries: Iterable<Entry>): RegistryPage[] {
  const pages: RegistryPage[] = []
  let texts: string[] = []
  let bytes = 0
  for (const entry of entries) {
    const text = JSON.stringify(entry)
    if (bytes + text.length > PAGE_BYTES) flush()
    texts.push(text)
    bytes += text.length + 1
  }
  flush()
  return pages

  function flush(): void {
    if (texts.length > 0) pages.push({ id: randomUUID(), body: Buffer.from(`{"entries":[${texts.join()}]}`) })
    texts = []
    bytes = 0
  }
}

/**
 * What a message of the registry says. Anybody may have written it: what makes no sense is left out.
 * @returns `isWhole`: nothing was left out. What a later version may have written has to stay
 */
export function readPage(body: Buffer): { entries: Entry[]; isWhole: boolean } {
  try {
    const { entries } = JSON.parse(body.toString()) as { entries: unknown }
    if (Array.isArray(entries)) {
      const known = entries.filter(isEntry)
      return { entries: known, isWhole: known.length === entries.length }
    }
  } catch {
    // Not JSON: not one of ours.
  }
  return { entries: [], isWhole: false }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false
  const { kind, name, worker, subscription, at } = value as Partial<Record<keyof Entry, unknown>>
  const isPlace = (kind === 'queue' || kind === 'fanout') && isName(name) && (worker === null || isName(worker))
  const isKind = subscription === null || subscription === 'group' || subscription === 'instance'
  return isPlace && isKind && (worker === null) === (subscription === null) && typeof at === 'string' && isTime(at)
}

function isTime(text: string): boolean {
  return text.length === 24 && !Number.isNaN(Date.parse(text))
}
