import type { Database, Operation } from './database.ts'

/** What one commit is made of, while it is put together. */
export interface Batch {
  put(key: Buffer, value: Buffer): void
  remove(key: Buffer): void
  /** Removes every key from `from` up to but without `to`. */
  removeRange(from: Buffer, to: Buffer): void
  /** Runs once the commit is synced. */
  afterwards(action: () => void): void
}

/** Something with changes that the next commit takes up. */
export interface Source {
  /** Puts the changes into the batch. It is not called again for them: a batch that fails is tried again. */
  collect(batch: Batch): void
}

export interface Committer {
  /** Has the source collected from by the next commit. */
  touch(source: Source): void
  /** Runs the action once everything asked for before is committed and synced; never synchronously. */
  whenSafe(action: () => void): void
  /** Commits what is left. @throws the error of a commit that fails, after one try. */
  close(): Promise<void>
}

export interface CommitterOptions {
  database: Database
  /** Writes what is kept outside the database, together with a commit. */
  syncBeside: () => Promise<void>
  /** A commit failed for want of space, and is tried again. */
  onDiskFull: (error: Error) => void
  onCommitted: () => void
  /** A commit failed for another reason, and there will be no more. */
  onBroken: (error: Error) => void
  /** Pause before a failed commit is tried again, in ms. */
  retryPause: number
}

/**
 * Group commit: all that is asked for in a turn of the event loop, or while a commit is under way, becomes one
 * transaction. What fails stays in memory, and is tried again together with what has come since.
 */
export function createCommitter(options: CommitterOptions): Committer {
  const { database } = options
  const sources = new Set<Source>()
  let operations = new Map<string, Operation>()
  let actions: (() => void)[] = []
  let closing = false
  let closed = false
  let running: Promise<void> | undefined

  const batch: Batch = {
    put: (key, value) => void operations.set(key.toString('latin1'), { key, value }),
    remove: (key) => void operations.set(key.toString('latin1'), { key, value: undefined }),
    removeRange,
    afterwards: (action) => void actions.push(action),
  }

  /** Called between commits, so that what the database holds and what failed to get there is all there is. */
  function removeRange(from: Buffer, to: Buffer) {
    for (const [id, { key }] of operations) {
      if (Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0) operations.delete(id)
    }
    for (const key of database.keys(from, to)) batch.remove(key)
  }

  function start() {
    if (running || closed) return
    running = run()
    running.catch((error) => {
      if (closing) return
      closed = true
      options.onBroken(error)
    })
  }

  async function run() {
    try {
      // Lets the turn end: what else it asks for belongs to the same commit.
      await nextTurn()
      while (sources.size > 0 || actions.length > 0 || operations.size > 0) await commit()
    } finally {
      running = undefined
    }
  }

  async function commit() {
    const collected = [...sources]
    sources.clear()
    for (const source of collected) source.collect(batch)
    const done = actions
    actions = []
    const writes = [options.syncBeside(), operations.size > 0 ? database.write(operations.values()) : undefined]
    const failure = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
    if (failure) {
      actions = [...done, ...actions]
      if (closing || !isDiskFull(failure.reason)) throw failure.reason
      options.onDiskFull(failure.reason)
      await pause(options.retryPause)
      await database.reopen()
      return
    }
    operations = new Map()
    // Before the actions: what they wake reads, and it must not while the map is exchanged.
    await database.trim()
    options.onCommitted()
    for (const action of done) action()
  }

  return {
    touch(source) {
      sources.add(source)
      start()
    },
    whenSafe(action) {
      actions.push(action)
      start()
    },
    async close() {
      closing = true
      await running
      closed = true
    },
  }
}

// lmdb's numbers: MDB_MAP_FULL, and the system's ENOSPC, EFBIG and EDQUOT (Linux, macOS). EIO too: that is what lmdb makes
// of a write that found space for a part of it. A disk that is broken is not made worse by trying.
const DISK_FULL = new Set<unknown>([-30792, 5, 28, 27, 122, 69, 'EIO', 'ENOSPC', 'EFBIG', 'EDQUOT'])

function isDiskFull(error: unknown): boolean {
  return DISK_FULL.has((error as { code?: unknown }).code)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
