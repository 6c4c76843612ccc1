import type { Source } from './commit.ts'
import { definitionKey, encodeDefinition, oldDefinitionKey } from './definition-records.ts'

/** Small JSON records by name, of any length: exchanges, queues, bindings. Changes are part of the next commit. */
export interface Definitions {
  all(): Iterable<{ key: string; value: unknown }>
  put(key: string, value: unknown): void
  remove(key: string): void
}

/**
 * @param found what a start has found, by name
 * @param outdated the names of those that are still written as format 1 did: they are written anew
 * @param touch has a source collected from by the next commit; called before the source changes
 */
export function createDefinitions(
  found: Map<string, unknown>,
  outdated: readonly string[],
  touch: (source: Source) => void,
): Definitions {
  const changed = new Map<string, Source>()
  for (const name of outdated) touch(migration(name))

  function change(name: string) {
    const source = changed.get(name) ?? sourceOf(name)
    changed.set(name, source)
    touch(source)
  }

  function sourceOf(name: string): Source {
    return {
      collect(batch) {
        changed.delete(name)
        const key = definitionKey(name)
        const value = found.get(name)
        if (value === undefined) batch.remove(key)
        else batch.put(key, encodeDefinition(key, name, value))
      },
    }
  }

  function migration(name: string): Source {
    return {
      collect(batch) {
        batch.remove(oldDefinitionKey(name))
        sourceOf(name).collect(batch)
      },
    }
  }

  return {
    all: () => [...found].map(([key, value]) => ({ key, value })),
    put(key, value) {
      change(key)
      found.set(key, value)
    },
    remove(key) {
      if (!found.has(key)) return
      change(key)
      found.delete(key)
    },
  }
}
