import { statSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'

/** The file with everything but the marks. */
export const DATA_FILE = 'data.mdb'

/** A record to write, or with no value to remove. */
export interface Operation {
  key: Buffer
  value: Buffer | undefined
}

/** lmdb, as far as the store needs it: one table of binary keys and values. */
export interface Database {
  get(key: Buffer): Buffer | undefined
  /** Keys and values from `from` up to but without `to`, in order. */
  range(from: Buffer, to: Buffer): Iterable<{ key: Buffer; value: Buffer }>
  /** @param limit of how many keys there will be at most */
  keys(from: Buffer, to: Buffer, limit?: number): Iterable<Buffer>
  /** Writes all of it or nothing, in one transaction; resolves once that is committed and synced. */
  write(operations: Iterable<Operation>): Promise<void>
  /** Gives back the memory that reads took, once it is much. Only while no write is under way. */
  trim(): Promise<void> | undefined
  /** Starts afresh after a failed write, which may leave lmdb refusing any more. Only while no write is under way. */
  reopen(): Promise<void>
  close(): Promise<void>
}

// Address space, not memory; lmdb enlarges it when it is not enough.
const MAP_BYTES = 16 * 2 ** 30
// Pages of the map that were touched count as resident memory until they are unmapped.
const TRIM_BYTES = 48 * 2 ** 20
const PAGE = 4096

type Root = RootDatabase<Buffer, Buffer>

/** Opens the database in a folder that the caller has locked and checked. */
export function openDatabase(folder: string): Database {
  let root: Root | undefined = openRoot(folder)
  let touched = 0

  function opened(): Root {
    // In the midst of reopen(), for a few microtasks: lmdb has both use the same map, which stays until the next time.
    root ??= openRoot(folder)
    return root
  }

  async function reopen() {
    const old = root
    root = undefined
    await old?.close()
    opened()
  }

  function trim(): Promise<void> | undefined {
    if (touched < TRIM_BYTES) return undefined
    touched = 0
    // A small file is no more than itself, however often it is read.
    return statSync(join(folder, DATA_FILE)).size < TRIM_BYTES ? undefined : reopen()
  }

  async function write(operations: Iterable<Operation>) {
    try {
      const table = opened()
      await table.batch(() => {
        for (const { key, value } of operations) {
          if (value) table.put(key, value)
          else table.remove(key)
          // Either touches a page or more, and the kernel maps those around it.
          touched += Math.max(16 * PAGE, value?.length ?? 0)
        }
      })
    } catch (error) {
      throw await causeOf(error)
    }
  }

  return {
    get(key) {
      const value = opened().getBinary(key)
      touched += Math.max(PAGE, value?.length ?? 0)
      return value
    },
    range: (from, to) => opened().getRange({ start: from, end: to }) as Iterable<{ key: Buffer; value: Buffer }>,
    keys: (start, end, limit = Number.POSITIVE_INFINITY) => opened().getKeys({ start, end, limit }) as Iterable<Buffer>,
    write,
    trim,
    reopen,
    close: () => opened().close(),
  }
}

function openRoot(folder: string): Root {
  return open<Buffer, Buffer>({
    path: join(folder, DATA_FILE),
    noSubdir: true,
    mapSize: MAP_BYTES,
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    compression: false,
    // A commit that is synced before it resolves: no slower in groups, and there is one moment to wait for, not two.
    overlappingSync: false,
    // Batches are made here; with lmdb's own beside them, each failure rejects a promise that nobody has.
    eventTurnBatching: false,
    noMemInit: true,
  })
}

/** lmdb says 'Commit failed' at once, and why a moment later. */
async function causeOf(error: unknown): Promise<unknown> {
  const later = (error as { commitError?: Promise<never> }).commitError
  return later ? later.catch((cause: unknown) => cause) : error
}
