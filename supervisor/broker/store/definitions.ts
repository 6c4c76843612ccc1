import type { Batch, Source } from './commit.ts'
import {
  type Definition,
  definitionKey,
  encodeDefinition,
  oldDefinitionKey,
  parseDefinition,
  textPrefix,
} from './definition-records.ts'
import { Texts } from './texts.ts'

/** Small JSON records by name, of any length: exchanges, queues, bindings. Changes are part of the next commit. */
export interface Definitions {
  /** What a start has found, of names that begin so, in any order. */
  found(prefix: string): Iterable<Definition>
  /** Gives up what a start has found: it is not in memory twice. */
  forgetFound(): void
  put(key: string, value: unknown): void
  /** Removes one that was found or put. */
  remove(key: string): void
}

/**
 * @param found the JSON texts of what a start has found
 * @param outdated those that are still written as format 1 did: they are written anew
 * @param touch has a source collected from by the next commit; called before the source changes
 */
export function createDefinitions(
  found: Texts,
  outdated: readonly Definition[],
  touch: (source: Source) => void,
): Definitions {
  const changes = new Map<string, Change>()
  let left = found
  for (const [name, value] of outdated) {
    touch({ collect: (batch) => batch.remove(oldDefinitionKey(name)) })
    change(name, value)
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
    *found(prefix) {
      for (const text of left.startingWith(textPrefix(prefix))) yield parseDefinition(text)
    },
    forgetFound() {
      left = new Texts()
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
