import { later } from '../guard.ts'
import { compact, removeCopy } from './compaction.ts'
import type { Database } from './database.ts'
import type { Disk } from './disk.ts'

export interface HousekeepingOptions {
  folder: string
  database: Database
  disk: Disk
  exclusively(action: () => Promise<void>): Promise<void>
  /** The file was made smaller, or that failed. */
  onCompacted(bytes: number): void
  onFailed(error: unknown): void
  limits: CompactionLimits
}

export interface CompactionLimits {
  /** A file is made smaller when so many of its bytes, and half of all, are unused. */
  unusedBytes: number
  /** How long after a commit it is looked at, in ms. */
  delay: number
}

export const COMPACTION_LIMITS: CompactionLimits = { unusedBytes: 64 * 2 ** 20, delay: 2_000 }

/** Gives space back to the disk. */
export interface Housekeeping {
  committed(): void
  /** Resolves when nothing of it is under way. */
  close(): Promise<void>
}

/** On a disk that is nearly full, a little is worth it. */
const LOW_SHARE = 0.25
const LOW_BYTES = 2 ** 20
/** A copy is not much larger than what is in use. */
const MARGIN = 1.1
const FAILURE_PAUSE = 60_000

export function keepHouse({ folder, database, disk, exclusively, ...options }: HousekeepingOptions): Housekeeping {
  const { limits, onCompacted, onFailed } = options
  let timer: NodeJS.Timeout | undefined
  let work: Promise<void> | undefined
  let isClosed = false
  schedule(limits.delay)

  function schedule(ms: number) {
    if (timer || work || isClosed) return
    timer = later(ms, onFailed, function start() {
      timer = undefined
      work = run()
    })
  }

  async function run() {
    let pause: number | undefined
    try {
      if (!(await isWorthIt())) return
      const before = database.space().size
      if (!(await compact(folder, database, exclusively, () => isClosed))) return
      onCompacted(before - database.space().size)
      disk.look()
    } catch (error) {
      pause = FAILURE_PAUSE
      onFailed(error)
    } finally {
      work = undefined
      if (pause !== undefined) schedule(pause)
    }
  }

  async function isWorthIt(): Promise<boolean> {
    const { size, unused } = database.space()
    const used = size - unused
    const isMuch = unused >= limits.unusedBytes && unused >= used
    const { left, isLow, limit } = await disk.room()
    if (isClosed || left < used * MARGIN + (isLow ? 0 : limit)) return false
    return isMuch || (isLow && unused >= LOW_BYTES && unused >= used * LOW_SHARE)
  }

  return {
    committed: () => schedule(limits.delay),
    async close() {
      isClosed = true
      clearTimeout(timer)
      await work
      removeCopy(folder)
    },
  }
}
