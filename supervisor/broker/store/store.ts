import { mkdirSync } from 'node:fs'
import { reasonOf } from '../../base/errors.ts'
import { every, type OnFault } from '../guard.ts'
import { createCommitter } from './commit.ts'
import { removeCopy } from './compaction.ts'
import { createCrowd } from './crowd.ts'
import { CAN_READ, checkFolder } from './damage.ts'
import { openDatabase } from './database.ts'
import { createDefinitions, type Definitions } from './definitions.ts'
import { watchDisk } from './disk.ts'
import { StoreDamagedError } from './errors.ts'
import { lockFolder } from './folder-lock.ts'
import { markFolder } from './format.ts'
import { COMPACTION_LIMITS, type CompactionLimits, keepHouse } from './housekeeping.ts'
import { createLog, type LogTools, type Message, type QueueLog } from './log.ts'
import { type Mark, openMarks } from './marks.ts'
import { recordCache } from './record-cache.ts'
import { readRecords } from './records.ts'
import { type Recovered, segmentsOf, startRecovery } from './recovery.ts'
import type { Segment } from './segment.ts'
import { sharing } from './sharing.ts'
import { createTidying } from './tidying.ts'
import { type Found, finishCommit } from './unwritten.ts'
import { DEFAULT_LIMITS, type Limits } from './window.ts'

export interface StoreOptions {
  /** Made if it is missing. */
  folder: string
  log?: { warn(fields: object, message: string): void; info(fields: object, message: string): void }
  /** Free bytes of the disk below which the store calls onBlocked. @default 50 MB, as RabbitMQ's disk_free_limit */
  diskFreeLimit?: number
  /** Bytes that the disk has left; for tests. @default asks the system */
  diskFree?: () => Promise<number | undefined>
  /** The disk is full or nearly so: until onUnblocked, take no more messages. Nothing is lost. */
  onBlocked(reason: string): void
  onUnblocked(): void
  /** What was to follow a commit has thrown. @default it is logged */
  onFault?: OnFault
  /** The store was found damaged while running: stop. */
  onBroken(error: Error): void
  /** How much waits in memory; for tests. */
  limits?: Partial<Limits>
  /** When the file is made smaller; for tests. */
  compaction?: CompactionLimits
  /** How often segments that stay mostly empty are looked for, in ms; for tests. @default 1 s */
  tidyingMs?: number
}

export interface LogOptions {
  /** Whether persistent messages outlive a restart. */
  durable: boolean
  /** Where entries go that are given back: where they were, or before all others. @default 'position' */
  returns?: 'position' | 'fifo'
  /** By what priorities are served, the highest first. @default themselves */
  rankOf?: (priority: number) => number
}

/** Durable storage of a broker: its definitions, and a log for every queue. */
export interface Store {
  readonly definitions: Definitions
  /** The highest id that anything is left of: a new queue takes a higher one. */
  readonly lastQueueId: number
  /** Removes the logs of all queues but these: those of queues that are gone. */
  removeOthers(known: ReadonlySet<number>): void
  /** Bytes that messages take in memory. */
  readonly heldBytes: number
  /** So much waits to be written that publishers should wait: whenCalm() tells until when. */
  isBusy(): boolean
  /** Of a store that is blocked: not even what a client moves from one queue to another has space. */
  isExhausted(): boolean
  /** Runs the action, never synchronously, once it is not busy; the actions in turn, while it is not busy again. */
  whenCalm(action: () => void): void
  /** The message, about to be appended to several logs: a large body is stored and held once. */
  share(message: Message): Message
  /** A queue's log, with what an earlier process left in it if it is durable. Once for each id. */
  openLog(queueId: number, options: LogOptions): QueueLog
  /** Whether the head of a log that is not open yet may expire. */
  mayExpire(queueId: number): boolean
  /** What is done until the function that it returns is called is part of one commit, together with what others do. */
  together(): () => void
  /** Resolves once everything asked for before is committed and synced. */
  synced(): Promise<void>
  /** Commits everything and lets the folder go. */
  close(): Promise<void>
}

const itself = (priority: number) => priority
const NO_MARK: Mark = { recovered: 0, handOut() {} }
const DISK_FREE_LIMIT = 50_000_000
const RELIEF_MS = 250
const TIDYING_MS = 1_000

/** Opens a store, or creates it if the folder has none. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { folder } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(folder)
  try {
    let recovery = startRecovery(folder)
    const isNew = checkFolder(folder, recovery.add)
    removeCopy(folder)
    const database = openDatabase(folder)
    try {
      const found = await finishCommit(database, folder)
      if (recovery.isUnfinished || !CAN_READ) {
        recovery = startRecovery(folder)
        readRecords(found.view, recovery.add)
      }
      markFolder(folder)
      if (found.unwritten) options.log?.warn({ folder }, 'the last commit is finished once the disk has space')
      return startStore(options, found, recovery.finish(found.view.get), isNew, unlock)
    } catch (error) {
      await database.close()
      throw error
    }
  } catch (error) {
    unlock()
    throw error
  }
}

function startStore(
  options: StoreOptions,
  { database, view, unwritten }: Found,
  { definitions, outdated, queueIds, expiries, leftovers, bodies, unreferenced }: Recovered,
  isNew: boolean,
  unlock: () => void,
): Store {
  const { folder } = options
  const marks = openMarks(folder, isNew, (error) =>
    options.log?.warn({ err: error }, 'could not note what is handed out'),
  )
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const memory = createCrowd(limits.totalBytes)
  const tidying = createTidying(() => !disk.isExhausted())
  const opened = new Set<number>()
  let isBroken = false
  let closing: Promise<void> | undefined
  const { onBlocked, onUnblocked, diskFreeLimit = DISK_FREE_LIMIT } = options
  const onFault = options.onFault ?? ((err) => options.log?.warn({ err }, 'what was to follow a commit has failed'))
  const disk = watchDisk({
    folder,
    limit: diskFreeLimit,
    unused: () => database.space().unused,
    pending: () => committer.pending(),
    onBlocked,
    onUnblocked,
    onFault,
    free: options.diskFree,
  })
  const committer = createCommitter({
    database: view,
    unwritten,
    syncBeside: marks.sync,
    onDiskFull: disk.full,
    onCommitted(bytes) {
      disk.committed(bytes)
      memory.relieve()
      tidying.committed()
      house.committed()
    },
    onBroken: options.onBroken,
    onFault,
    whenRoom: disk.whenRoom,
  })
  // A consumer can read much between two commits. Where none is possible any more, the memory goes with the process.
  database.whenMuchRead(() => void committer.exclusively(async () => database.trim()).catch(() => {}))
  const house = keepHouse({
    folder,
    database,
    disk,
    exclusively: committer.exclusively,
    onCompacted: (bytes) => options.log?.info({ bytes }, 'the store has given space back to the disk'),
    onFailed: (error) => options.log?.warn({ err: error }, 'the store could not give space back to the disk'),
    limits: options.compaction ?? COMPACTION_LIMITS,
  })
  const lastQueueId = Math.max(marks.lastQueueId, maxOf(queueIds), maxOf(leftovers.map(({ queueId }) => queueId)))
  // Those who wait until less is held make no commits.
  const relief = every(RELIEF_MS, onFault, memory.relieve)
  const tidier = every(options.tidyingMs ?? TIDYING_MS, onFault, tidying.look)
  const records = recordCache(view.get)
  const shared = sharing({
    bodies,
    touch: committer.touch,
    onDamage: (error) => breakOnce(new StoreDamagedError(folder, reasonOf(error), { cause: error })),
  })
  const logTools: LogTools = {
    limits,
    memory,
    tidying,
    bodies: shared.bodies,
    load: records.get,
    touch: committer.touch,
    markOf: ({ queueId, durable }, priority, nextPosition) =>
      durable ? marks.of(queueId, priority, nextPosition) : NO_MARK,
    onBroken: (queueId, error) => breakOnce(new StoreDamagedError(folder, `queue ${queueId}: ${error.message}`)),
    onDestroyed(queueId) {
      marks.free(queueId)
      opened.delete(queueId)
    },
  }
  shared.erase(leftovers, [])
  shared.eraseBodies(unreferenced)

  function breakOnce(error: Error) {
    if (isBroken) return
    isBroken = true
    options.onBroken(error)
  }

  function openLog(queueId: number, { durable, returns = 'position', rankOf = itself }: LogOptions): QueueLog {
    if (opened.has(queueId)) throw new Error(`The log of queue ${queueId} is open already`)
    opened.add(queueId)
    let found = takeSegments(queueId)
    if (!durable) {
      shared.erase(found, found)
      found = []
    }
    let nextPosition = marks.endOf(queueId)
    for (const { last } of found) nextPosition = Math.max(nextPosition, last + 1)
    return createLog(logTools, { queueId, durable, returns, rankOf, nextPosition }, found)
  }

  /** What a start has found of a queue, once: from then on its log knows what there is. */
  function takeSegments(queueId: number): Segment[] {
    if (!queueIds.delete(queueId)) return []
    try {
      return segmentsOf(queueId, view, bodies)
    } catch (error) {
      const damage = new StoreDamagedError(folder, `queue ${queueId}: ${reasonOf(error)}`, { cause: error })
      breakOnce(damage)
      throw damage
    }
  }

  function removeOthers(known: ReadonlySet<number>) {
    for (const queueId of new Set([...queueIds, ...marks.queueIds()])) {
      if (known.has(queueId) || opened.has(queueId)) continue
      const segments = takeSegments(queueId)
      committer.touch({
        collect(batch) {
          batch.removeLog(queueId, () => marks.free(queueId))
          shared.release(segments, batch)
        },
      })
    }
  }

  async function close() {
    disk.close()
    clearInterval(relief)
    clearInterval(tidier)
    try {
      await house.close()
      await committer.close()
    } finally {
      await marks.close()
      await database.close()
      unlock()
    }
  }

  return {
    definitions: createDefinitions(definitions, outdated, committer.touch),
    lastQueueId,
    removeOthers,
    get heldBytes() {
      return memory.bytes
    },
    isBusy: committer.isBusy,
    isExhausted: disk.isExhausted,
    whenCalm: committer.whenCalm,
    share: shared.share,
    openLog,
    mayExpire: (queueId) => expiries.has(queueId),
    together: committer.together,
    synced: () => new Promise((resolve) => committer.whenSafe(resolve)),
    close() {
      closing ??= close()
      return closing
    },
  }
}

function maxOf(numbers: Iterable<number>): number {
  let max = 0
  for (const number of numbers) if (number > max) max = number
  return max
}
