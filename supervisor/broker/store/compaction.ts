import { rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, type Operation, openDatabase } from './database.ts'

// lmdb's file never gets smaller: pages that nothing is in are used again, and stay. So once it is mostly such pages, what
// is in use is copied into a new file, which takes its place. Commits go on meanwhile; what they have changed is copied
// again, and only the last of that keeps a commit waiting. Until the new file gets the old one's name, which is one step
// for the file system, nothing of the old one has changed: wherever the process ends, one whole file has that name.

/** Beside the database's file, for as long as it is made. */
const COPY_FILE = 'data.mdb.compact'
const LOCK_SUFFIX = '-lock'

/** Of how much of the changes one transaction takes care, and how much is left to the moment without commits. */
const KEYS = 500
const BYTES = 2 ** 20
const ROUNDS = 8

// No kind of record begins with either.
const FIRST = Buffer.of(0)
const BEHIND = Buffer.of(0xff)

/** Removes what an earlier process did not finish. Before the database is opened. */
export function removeCopy(folder: string): void {
  for (const name of [COPY_FILE, COPY_FILE + LOCK_SUFFIX]) rmSync(join(folder, name), { force: true })
}

/**
 * Makes the database's file as small as what is in it.
 * @param exclusively runs an action while nothing is written to the database
 * @param isStopped whether to give up, between two pieces
 * @returns whether it is done
 * @throws what the system says, with the database as it was
 */
export async function compact(
  folder: string,
  database: Database,
  exclusively: (action: () => Promise<void>) => Promise<void>,
  isStopped: () => boolean,
): Promise<boolean> {
  const path = join(folder, COPY_FILE)
  const changed = new Map<string, Buffer>()
  let copy: Database | undefined
  removeCopy(folder)
  database.watch((key) => changed.set(key.toString('latin1'), key))
  try {
    copy = openDatabase(folder, COPY_FILE)
    const target = copy
    await copyAll(target)
    if (isStopped()) return false
    for (let round = 0; changed.size > KEYS && round < ROUNDS; round++) await catchUp(target, [...taken(changed)])
    await exclusively(async () => {
      await catchUp(target, [...taken(changed)])
      await target.close()
      copy = undefined
      await syncFile(path)
      await database.replaceBy(path)
      await syncFile(folder)
    })
    return true
  } finally {
    database.watch(undefined)
    await copy?.close()
    removeCopy(folder)
  }

  /**
   * A piece at a time, each as it is at its moment. lmdb's own copy would hold one snapshot for all of it, and what a writer
   * does meanwhile with the pages that it frees has ended the process (`mdb_page_alloc: key.mv_size > 0`, lmdb 3.5.6).
   */
  async function copyAll(target: Database) {
    let from = FIRST
    while (!isStopped()) {
      const keys = [...database.keys(from, BEHIND, KEYS)]
      const last = keys.at(-1)
      if (!last) return
      await catchUp(target, keys)
      from = Buffer.concat([last, Buffer.of(0)])
    }
  }

  async function catchUp(target: Database, keys: readonly Buffer[]) {
    let operations: Operation[] = []
    let bytes = 0
    for (const key of keys) {
      const value = database.get(key)
      operations.push({ key, value })
      bytes += value?.length ?? 0
      if (operations.length < KEYS && bytes < BYTES) continue
      await target.write(operations)
      operations = []
      bytes = 0
    }
    if (operations.length > 0) await target.write(operations)
  }
}

function* taken(changed: Map<string, Buffer>): Generator<Buffer> {
  for (const [id, key] of changed) {
    changed.delete(id)
    yield key
  }
}

async function syncFile(path: string) {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
