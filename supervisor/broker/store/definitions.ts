import type { Batch, Source } from './commit.ts'
import { definitionKey, encodeDefinition, oldDefinitionKey } from './definition-records.ts'

/** Small JSON records by name, of any length: exchanges, queues, bindings. Changes are part of the next commit. */
export interface Definitions {
  /** What a start has found, by name. Given up: they are not in memory twice. */
  takeFound(): ReadonlyMap<string, unknown>
  put(key: string, value: unknown): void
  /** Removes one that was found or put. */
  remove(key: string): void
}

/**
 * @param found what a start has found, by name
 * @param outdated the names of those that are still written as format 1 did: they are written anew
 * @param touch has a source collected from by the next commit; called before the source changes
 */
export function createDefinitions(
  found: ReadonlyMap<string, unknown>,
  outdated: readonly string[],
  touch: (source: Source) => void,
): Definitions {
  const changes = new Map<string, Change>()
  let left = found
  for (const name of outdated) {
    touch({ collect: (batch) => batch.remove(oldDefinitionKey(name)) })
    change(name, found.get(name))
  }

  function change(name: string, value: unknown) {
    const change = changes.get(name) ?? new Change(name, collected)
    touch(change)
    // Behind that, which may have it collected as it was.
    changes.set(name, change)
    change.value = value
  }

  function collected(name: string) {
    changes.delete(name)
  }

  return {
    takeFound() {
      const all = left
      left = new Map()
      return all
    },
    put: change,
    remove: (key) => change(key, undefined),
  }
}

/** What the next commit does to a definition. */
class Change implements Source {
  readonly #name: string
  readonly #onCollected: (name: string) => void
  /** Undefined: it is removed. */
  value: unknown

  constructor(name: string, onCollected: (name: string) => void) {
    this.#name = name
    this.#onCollected = onCollected
  }

  collect(batch: Batch): void {
    this.#onCollected(this.#name)
    const key = definitionKey(this.#name)
    if (this.value === undefined) batch.remove(key)
    else batch.put(key, encodeDefinition(key, this.#name, this.value))
  }
}
