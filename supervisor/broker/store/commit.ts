import { attempt, nextTurn, type OnFault } from '../guard.ts'
import type { Database } from './database.ts'
import { isDiskFull } from './disk.ts'
import { createEraser } from './erasing.ts'
import { createOperations } from './operations.ts'
import { createPressure } from './pressure.ts'
import { createWriter, type Unwritten } from './redo.ts'

/** What one commit is made of, while it is put together. */
export interface Batch {
  put(key: Buffer, value: Buffer): void
  remove(key: Buffer): void
  /**
   * Drops what is not written yet of a log that puts nothing any more; its records are removed by and by.
   * @param onRemoved runs once that is committed
   */
  removeLog(queueId: number, onRemoved: () => void): void
  /** Runs once the commit is synced. */
  afterwards(action: () => void): void
}

/** Something with changes that the next commit takes up. */
export interface Source {
  /** Puts the changes into the batch. It is not called again for them: a batch that fails is tried again. */
  collect(batch: Batch): void
}

export interface Committer {
  /**
   * Has the source collected from by the next commit. To be called before the source changes: a commit that is being put
   * together takes up first what there is, so that of a turn's changes to several sources it has all or none.
   * @param bytes what the change adds to the commit
   */
  touch(source: Source, bytes?: number): void
  /** Runs the action once everything asked for before is committed and synced; never synchronously. */
  whenSafe(action: () => void): void
  /**
   * Begins no commit until the function that it returns is called: what is done meanwhile, in any number of turns, is part of
   * one. To be called in the turn of the first change.
   */
  together(): () => void
  /** So much waits to be written that no more should come: whenCalm() tells when. */
  isBusy(): boolean
  /** Runs the action, never synchronously, once it is not busy; the actions in turn, while it is not busy again. */
  whenCalm(action: () => void): void
  /** Runs the action while nothing is written, and rejects with what it throws. */
  exclusively(action: () => Promise<void>): Promise<void>
  /** Bytes on their way to the disk, about. */
  pending(): number
  /** Commits what is left. @throws the error of a commit that fails, after one try. */
  close(): Promise<void>
}

export interface CommitterOptions {
  database: Database
  /** Writes what is kept outside the database, together with a commit. */
  syncBeside: () => Promise<void>
  /** A commit failed for want of space, and is tried again. */
  onDiskFull: (error: Error) => void
  /** @param bytes what it has written */
  onCommitted: (bytes: number) => void
  /** A commit failed for another reason, and there will be no more. */
  onBroken: (error: Error) => void
  /** An action that was to run after a commit has thrown. @default onBroken */
  onFault?: OnFault
  /** Resolves when a failed commit may be tried again: when there is space or it is over, and after so many ms. */
  whenRoom(isOver: () => boolean, most: number): Promise<void>
  /** What a start had no space for: written before all else. */
  unwritten?: Unwritten | undefined
}

/** Work for a moment without a commit. */
interface Pause {
  action: () => Promise<void>
  resolve: () => void
  reject: (error: unknown) => void
}

/** Bytes that wait for a commit from which on it is busy: enough for a fast disk, and little beside the windows. */
const BUSY_BYTES = 8 * 2 ** 20
/** What a source costs a commit at least. */
const SOURCE_BYTES = 256
/** How long the collecting, and what follows a commit, keep the event loop, in ms. */
const SLICE_MS = 5
/** How long a commit that has failed is not tried again, if nothing speaks for it. */
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 30_000

/**
 * Group commit: all that is asked for in a turn of the event loop, or while a commit is under way, becomes one
 * transaction. What fails stays in memory, and is tried again together with what has come since.
 */
export function createCommitter(options: CommitterOptions): Committer {
  const { database, onFault = (error) => options.onBroken(error as Error) } = options
  const writer = createWriter(database, options.unwritten)
  const pressure = createPressure(BUSY_BYTES, onFault)
  const eraser = createEraser(database, (source) => touch(source))
  const operations = createOperations()
  let sources = new Set<Source>()
  /** Of the commit that is put together, those that it has not collected from. */
  let toCollect = new Set<Source>()
  let collectFailure: { reason: unknown } | undefined
  /** Of the next commit, and of that which is put together or written. */
  let actions: (() => void)[] = []
  let currentActions: (() => void)[] = []
  /** What runs before them: what the sources are told. */
  let afterwards: (() => void)[] = []
  let removedLogs = new Set<number>()
  /** What waits for a moment without a commit. */
  let pauses: Pause[] = []
  /** How often the commit has failed since the last one that did not. */
  let failures = 0
  /** Who is not through with what belongs to one commit. */
  let holders = 0
  let onReleased = () => {}
  let closing = false
  let closed = false
  let running: Promise<void> | undefined

  const batch: Batch = {
    put: (key, value) => operations.push({ key, value }),
    remove: (key) => operations.push({ key, value: undefined }),
    removeLog(queueId, onRemoved) {
      removedLogs.add(queueId)
      eraser.add(queueId, onRemoved)
    },
    afterwards: (action) => void afterwards.push(action),
  }

  function touch(source: Source, bytes = 0) {
    if (toCollect.has(source)) collect(source)
    if (!sources.has(source)) {
      sources.add(source)
      pressure.add(SOURCE_BYTES)
    }
    pressure.add(bytes)
    start()
  }

  function collect(source: Source) {
    toCollect.delete(source)
    try {
      source.collect(batch)
    } catch (error) {
      // Whoever has touched it has done nothing wrong.
      collectFailure ??= { reason: error }
    }
  }

  function start() {
    if (running || closed) return
    running = run()
    running.catch((error) => {
      for (const { reject } of pauses) reject(error)
      pauses = []
      if (closing) return
      closed = true
      options.onBroken(error)
    })
  }

  async function run() {
    try {
      // Lets the turn end: what else it asks for belongs to the same commit.
      await nextTurn()
      // What has failed can have been the sync of what is beside the database, with nothing to write.
      while (sources.size > 0 || actions.length > 0 || isToWrite() || failures > 0 || pauses.length > 0) {
        const due = pauses
        pauses = []
        for (const { action, resolve, reject } of due) await action().then(resolve, reject)
        while (holders > 0 && !closing) await released()
        // Nothing comes in between: what begins then belongs to the next one.
        await commit()
      }
    } finally {
      running = undefined
    }
  }

  function isToWrite(): boolean {
    return operations.length > 0 || writer.isBehind()
  }

  function released(): Promise<void> {
    return new Promise((resolve) => {
      onReleased = resolve
    })
  }

  async function commit() {
    toCollect = sources
    sources = new Set()
    // Not by spreading: there may be more than a call takes.
    currentActions = currentActions.concat(actions)
    actions = []
    pressure.taken()
    await collectAll()
    if (collectFailure) throw collectFailure.reason
    const writes = [options.syncBeside(), isToWrite() ? writer.write(operations.all()) : undefined]
    const failure = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
    if (failure) {
      if (closing || !isDiskFull(failure.reason)) throw failure.reason
      pressure.failed()
      operations.squeeze()
      options.onDiskFull(failure.reason)
      // lmdb-js writes a line for each failure, which may go onto the same disk.
      await options.whenRoom(() => closing, Math.min(RETRY_FIRST_MS * 2 ** failures++, RETRY_MOST_MS))
      await database.reopen()
      return
    }
    failures = 0
    const { bytes } = operations
    operations.clear()
    const done = afterwards.concat(currentActions)
    afterwards = []
    currentActions = []
    // Before the actions: what they wake reads, and it must not while the map is exchanged.
    await database.trim()
    pressure.committed()
    options.onCommitted(bytes)
    await runAll(done)
  }

  async function runAll(due: readonly (() => void)[]) {
    let end = performance.now() + SLICE_MS
    for (const action of due) {
      attempt(onFault, action)
      if (performance.now() < end) continue
      await nextTurn()
      end = performance.now() + SLICE_MS
    }
  }

  async function collectAll() {
    let end = performance.now() + SLICE_MS
    for (const source of toCollect) {
      // One may have thousands of messages.
      collect(source)
      if (performance.now() < end) continue
      await nextTurn()
      end = performance.now() + SLICE_MS
    }
    operations.dropLogs(removedLogs)
    removedLogs = new Set()
  }

  if (writer.isBehind()) start()
  return {
    touch,
    whenSafe(action) {
      actions.push(action)
      start()
    },
    exclusively(action) {
      return new Promise((resolve, reject) => {
        if (closed) throw new Error('There are no more commits')
        pauses.push({ action, resolve, reject })
        start()
      })
    },
    together() {
      holders++
      return function release() {
        holders--
        onReleased()
      }
    },
    isBusy: pressure.isBusy,
    whenCalm: pressure.whenCalm,
    pending: () => pressure.waiting + pressure.underway,
    async close() {
      closing = true
      onReleased()
      eraser.stop()
      await running
      closed = true
    },
  }
}
