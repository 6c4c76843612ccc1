import { statfs } from 'node:fs/promises'
import { every, type OnFault, pause } from '../guard.ts'

// RabbitMQ's disk_free_limit, and its alarms: https://www.rabbitmq.com/docs/disk-alarms

export interface DiskOptions {
  folder: string
  /** Free bytes below which publishers are to wait; 0 turns the check off. */
  limit: number
  /** Bytes of the database's file that nothing is in: what is written goes there before the file grows. */
  unused(): number
  /** Bytes that are on their way to the disk. */
  pending(): number
  onBlocked(reason: string): void
  onUnblocked(): void
  readonly onFault: OnFault
  /** Bytes that the disk has left; undefined where the system can't tell. @default asks the system */
  free?: (() => Promise<number | undefined>) | undefined
}

export interface Disk {
  /** A commit found no space. */
  full(error: Error): void
  /** A commit found space. @param bytes how many it has written */
  committed(bytes: number): void
  /** So little is left that not even what makes room should write. */
  isExhausted(): boolean
  /** Resolves once there is more space than now, when it is over, or after so many ms. */
  whenRoom(isOver: () => boolean, most: number): Promise<void>
  /** Looks now, rather than in a while. */
  look(): void
  /** What the disk has left, and whether publishers wait for want of it. */
  room(): Promise<{ left: number; isLow: boolean; limit: number }>
  close(): void
}

const INTERVAL = 1_000
const ROOM_INTERVAL = 250
const MB = 1_000_000

/**
 * Says once that the disk is full, by a failed commit or by its free space, and once that it is over.
 *
 * Half of the limit is the disk's own: the other half may be in the database's file, which does not shrink as fast as it
 * is emptied. That is enough for what goes on while publishers wait, and for the space that a file in pieces can't use.
 */
export function watchDisk(options: DiskOptions): Disk {
  const { folder, limit, unused, pending, onBlocked, onUnblocked, onFault, free = () => freeOf(folder) } = options
  let isLow = false
  let isFull = false
  let isExhausted = false
  let isClosed = false
  let isLooking = false
  /** What may be written until it is worth looking again. */
  let allowance = 0
  const checkNow = () => void check().catch(onFault)
  const timer = limit > 0 ? every(INTERVAL, onFault, checkNow) : undefined
  if (limit > 0) checkNow()

  function set(low: boolean, full: boolean, reason: string) {
    const before = isLow || isFull
    isLow = low
    isFull = full
    if (isClosed || before === (low || full)) return
    if (before) onUnblocked()
    else onBlocked(reason)
  }

  /** Where the system can't tell, commits do. */
  async function left(): Promise<number> {
    return (await free().catch(() => undefined)) ?? Number.POSITIVE_INFINITY
  }

  async function check() {
    if (isLooking || isClosed) return
    isLooking = true
    const bytes = await left()
    isLooking = false
    if (isClosed) return
    const spare = bytes + unused()
    // What ends it is a little more than what begins it, or it would come and go with each message.
    const bound = isLow ? limit * 1.1 : limit
    const low = bytes < bound / 2 || spare < bound || spare - pending() < bound / 2
    isExhausted = bytes < limit / 4
    allowance = Math.max(0, Math.min(bytes - limit / 2, spare - limit) / 4)
    const inFile = spare - bytes >= MB ? `, and its store ${inMB(spare - bytes)} that nothing is in` : ''
    set(low, isFull, `${folder} has ${inMB(bytes)} of disk space left${inFile}; the limit is ${limit / MB} MB`)
  }

  return {
    full: (error) => set(isLow, true, `${folder} can't be written: ${error.message}`),
    committed(bytes) {
      set(isLow, false, '')
      if (limit === 0) return
      // A fast publisher writes more in a second than the reserve has.
      allowance -= bytes
      if (allowance <= 0) checkNow()
    },
    isExhausted: () => isFull || isExhausted,
    look: () => void (limit > 0 && checkNow()),
    async whenRoom(isOver, most) {
      const before = await left()
      for (const end = performance.now() + most; performance.now() < end; ) {
        await pause(ROOM_INTERVAL)
        if (isOver() || (await left()) > before) return
      }
    },
    async room() {
      return { left: await left(), isLow: isLow || isFull, limit }
    },
    close() {
      isClosed = true
      clearInterval(timer)
    },
  }
}

async function freeOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

function inMB(bytes: number): string {
  return `${Math.floor(bytes / MB)} MB`
}

// lmdb's numbers: MDB_MAP_FULL, and the system's ENOSPC, EFBIG and EDQUOT (Linux, macOS). EIO too: that is what lmdb makes
// of a write that found space for a part of it. A disk that is broken is not made worse by trying.
const DISK_FULL = new Set<unknown>([-30792, 5, 28, 27, 122, 69, 'EIO', 'ENOSPC', 'EFBIG', 'EDQUOT'])

/** Whether a write has failed for want of space. */
export function isDiskFull(error: unknown): boolean {
  return DISK_FULL.has((error as { code?: unknown }).code)
}
