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
  keys(from: Buffer, to: Buffer): Iterable<Buffer>
  /** Writes all of it or nothing, in one transaction; resolves once that is committed and synced. */
  write(operations: Iterable<Operation>): Promise<void>
  /** Gives back the memory that reads took, once it is much. Only while no write is under way. */
  trim(): Promise<void>
  /** Starts afresh after a failed write, which leaves lmdb refusing any more. Only while no write is under way. */
  reopen(): void
  close(): Promise<void>
}

// Address space, not memory; lmdb enlarges it when it is not enough.
const MAP_BYTES = 16 * 2 ** 30
// Pages of the map that were touched count as resident memory until they are unmapped.
const TRIM_BYTES = 48 * 2 ** 20
const PAGE = 4096

/** Opens the database in a folder that the caller has locked and checked. */
export function openDatabase(folder: string): Database {
  let root: RootDatabase<Buffer, Buffer> | undefined = openRoot(folder)
  let touched = 0

  function opened(): RootDatabase<Buffer, Buffer> {
    root ??= openRoot(folder)
    return root
  }

  /** Whoever needs it next opens it again; before it is closed, that one shares its map. */
  async function close() {
    const old = root
    root = undefined
    touched = 0
    await old?.close()
  }

  async function write(operations: Iterable<Operation>) {
    try {
      const writer = opened()
      await writer.batch(() => {
        for (const { key, value } of operations) {
          if (value) {
            writer.put(key, value)
          } else {
            writer.remove(key)
            // Freeing a large value reads its first page, and the kernel maps those around it.
            touched += 16 * PAGE
          }
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
    keys: (from, to) => opened().getKeys({ start: from, end: to }) as Iterable<Buffer>,
    write,
    async trim() {
      // It is unmapped only when it is closed before it is opened again, and lmdb closes a little later.
      if (touched > TRIM_BYTES) await close()
    },
    reopen: () => void close(),
    close,
  }
}

function openRoot(folder: string): RootDatabase<Buffer, Buffer> {
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
