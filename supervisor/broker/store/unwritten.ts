import type { Database, Operation } from './database.ts'
import { StoreDamagedError } from './errors.ts'
import { redo, type Unwritten } from './redo.ts'
import { SegmentFormatError } from './segment.ts'

// On a full disk a start can't write what an earlier process has promised to. It reads the database as if it had.

/** A store's database, and what it is once all is written that an earlier process has promised to write. */
export interface Found {
  readonly database: Database
  readonly view: Database
  readonly unwritten: Unwritten | undefined
}

/**
 * Finishes what an earlier process was writing when it ended, or reads the database as if that were done.
 * @throws {StoreDamagedError}
 */
export async function finishCommit(database: Database, folder: string): Promise<Found> {
  try {
    const operations = await redo(database)
    if (!operations) return { database, view: database, unwritten: undefined }
    const view = readAhead(database, operations)
    return { database, view, unwritten: { operations, onWritten: view.settle } }
  } catch (error) {
    if (!(error instanceof SegmentFormatError)) throw error
    throw new StoreDamagedError(folder, error.message, { cause: error })
  }
}

/** The database as it will be once some operations are written. */
export interface DatabaseAhead extends Database {
  /** They are written. */
  settle(): void
}

export function readAhead(database: Database, operations: readonly Operation[]): DatabaseAhead {
  const last = new Map(operations.map((operation) => [operation.key.toString('latin1'), operation]))
  const sorted = [...last.values()].sort((a, b) => Buffer.compare(a.key, b.key))
  let isSettled = false

  function* merged<T>(
    stored: Iterable<T>,
    keyOf: (item: T) => Buffer,
    itemOf: (key: Buffer, value: Buffer) => T,
    [from, to]: readonly [Buffer, Buffer],
  ): Generator<T> {
    const isWithin = ({ key }: Operation) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0
    const ahead = sorted.filter(isWithin).values()
    let next = ahead.next().value
    for (const item of stored) {
      const key = keyOf(item)
      for (; next && Buffer.compare(next.key, key) < 0; next = ahead.next().value) {
        if (next.value) yield itemOf(next.key, next.value)
      }
      if (!next?.key.equals(key)) yield item
    }
    for (; next; next = ahead.next().value) if (next.value) yield itemOf(next.key, next.value)
  }

  function* firstOf<T>(items: Iterable<T>, most: number): Generator<T> {
    let count = 0
    for (const item of items) {
      if (count++ >= most) return
      yield item
    }
  }

  return {
    ...database,

    get(key) {
      const ahead = isSettled ? undefined : last.get(key.toString('latin1'))
      return ahead ? ahead.value : database.get(key)
    },

    range(from, to) {
      const stored = database.range(from, to)
      if (isSettled) return stored
      return merged(
        stored,
        ({ key }) => key,
        (key, value) => ({ key, value }),
        [from, to],
      )
    },

    keys(from, to, limit = Number.POSITIVE_INFINITY) {
      if (isSettled) return database.keys(from, to, limit)
      const all = merged(
        database.keys(from, to),
        (key) => key,
        (key) => key,
        [from, to],
      )
      return firstOf(all, limit)
    },

    settle() {
      isSettled = true
      last.clear()
      sorted.length = 0
    },
  }
}
