import { readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { DATA_FILE } from './format.ts'
import { FIRST_PAGE } from './pages.ts'

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
  /** The file's size, and how much of that nothing is in: the database uses those pages before the file grows. */
  space(): { size: number; unused: number }
  /** Gives back the memory that reads took, once it is much. Only while no write is under way. */
  trim(): Promise<void> | undefined
  /** Tells when reads alone have taken so much that trim() is due. */
  whenMuchRead(onMuchRead: () => void): void
  /** Tells of each key that was written, until it is called with nothing. */
  watch(onWritten: ((key: Buffer) => void) | undefined): void
  /** Goes on with the file at that path, which has all that this one has, and gets its name. Only while no write is under way. */
  replaceBy(path: string): Promise<void>
  /** Starts afresh after a failed write, which may leave lmdb refusing any more. Only while no write is under way. */
  reopen(): Promise<void>
  close(): Promise<void>
}

// Address space, not memory; lmdb enlarges it when it is not enough.
const MAP_BYTES = 16 * 2 ** 30
// Pages of the map that were touched count as resident memory until they are unmapped, as do those that the kernel maps
// around each.
const TRIM_BYTES = 24 * 2 ** 20
/** A file of so much may be in memory as a whole. */
const SMALL_FILE_BYTES = 48 * 2 ** 20
const PAGE = 4096

type Root = RootDatabase<Buffer, Buffer>

/** Opens the database in a folder that the caller has locked and checked. */
export function openDatabase(folder: string, name = DATA_FILE): Database {
  const path = join(folder, name)
  let root: Root | undefined = openRoot(path)
  /** At most so much; what is touched again counts again. */
  let touched = 0
  let mappedBefore = mappedBytes()
  let onWritten: ((key: Buffer) => void) | undefined
  let onMuchRead = () => {}
  let isAsked = false

  function opened(): Root {
    // In the midst of reopen(), for a few microtasks: lmdb has both use the same map, which stays until the next time.
    root ??= openRoot(path)
    return root
  }

  async function reopen() {
    const old = root
    root = undefined
    await old?.close()
    opened()
    mappedBefore = mappedBytes()
  }

  function trim(): Promise<void> | undefined {
    isAsked = false
    if (touched < TRIM_BYTES) return undefined
    touched = 0
    // A small file is no more than itself, however often it is read.
    if (statSync(path).size < SMALL_FILE_BYTES) return undefined
    // Opening takes ten milliseconds, in which nobody is answered: not for pages that are used again and again.
    const mapped = mappedBytes()
    return mapped !== undefined && mapped - (mappedBefore ?? 0) < TRIM_BYTES ? undefined : reopen()
  }

  async function write(operations: Iterable<Operation>) {
    try {
      const table = opened()
      const written = [...operations]
      await table.batch(() => {
        for (const { key, value } of written) {
          if (value) table.put(key, value)
          else table.remove(key)
          // Either touches a page or more, and the kernel maps those around it.
          touched += Math.max(16 * PAGE, value?.length ?? 0)
        }
      })
      if (onWritten) for (const { key } of written) onWritten(key)
    } catch (error) {
      throw await causeOf(error)
    }
  }

  async function replaceBy(source: string) {
    const old = opened()
    // What is read meanwhile is read there.
    const next = openRoot(source)
    root = next
    try {
      await old.close()
      renameSync(source, path)
    } finally {
      // By its new name, or, if it has not got it, the old file again.
      await reopen()
    }
  }

  return {
    get(key) {
      const value = opened().getBinary(key)
      touched += Math.max(PAGE, value?.length ?? 0)
      if (touched >= TRIM_BYTES && !isAsked) {
        isAsked = true
        onMuchRead()
      }
      return value
    },
    range: (from, to) => opened().getRange({ start: from, end: to }) as Iterable<{ key: Buffer; value: Buffer }>,
    keys: (start, end, limit = Number.POSITIVE_INFINITY) => opened().getKeys({ start, end, limit }) as Iterable<Buffer>,
    write,
    space: () => spaceOf(opened()),
    trim,
    whenMuchRead(listener) {
      onMuchRead = listener
    },
    watch(listener) {
      onWritten = listener
    },
    replaceBy,
    reopen,
    close: () => opened().close(),
  }
}

function openRoot(path: string): Root {
  return open<Buffer, Buffer>({
    path,
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

/** Bytes of files that count as this process's memory; undefined where the system does not tell. */
function mappedBytes(): number | undefined {
  try {
    const kilobytes = /^RssFile:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}

/** lmdb says 'Commit failed' at once, and why a moment later. */
async function causeOf(error: unknown): Promise<unknown> {
  const later = (error as { commitError?: Promise<never> }).commitError
  return later ? later.catch((cause: unknown) => cause) : error
}

interface TreeStats {
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
}

/** lmdb-js does not say what its getStats() returns: the trees of the records and of the free pages, and the file. */
type Stats = TreeStats & { pageSize: number; lastPageNumber: number; free: TreeStats }

function spaceOf(root: Root): { size: number; unused: number } {
  const stats = root.getStats() as Stats
  const { pageSize, lastPageNumber, free } = stats
  const pages = lastPageNumber + 1
  return { size: pages * pageSize, unused: (pages - FIRST_PAGE - pagesOf(stats) - pagesOf(free)) * pageSize }
}

function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreeStats): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages
}
