import { statfs } from 'node:fs/promises'

// RabbitMQ's disk_free_limit, and its alarms: https://www.rabbitmq.com/docs/disk-alarms

export interface DiskOptions {
  folder: string
  /** Free bytes below which publishers are to wait; 0 turns the check off. */
  limit: number
  onBlocked(reason: string): void
  onUnblocked(): void
}

export interface Disk {
  /** A commit found no space. */
  full(error: Error): void
  /** A commit found space. */
  committed(): void
  close(): void
}

const INTERVAL = 1_000
const MB = 1_000_000

/** Says once that the disk is full, by a failed commit or by its free space, and once that it is over. */
export function watchDisk({ folder, limit, onBlocked, onUnblocked }: DiskOptions): Disk {
  let isLow = false
  let isFull = false
  let closed = false
  const timer = limit > 0 ? setInterval(check, INTERVAL).unref() : undefined
  if (limit > 0) void check()

  function set(low: boolean, full: boolean, reason: string) {
    const before = isLow || isFull
    isLow = low
    isFull = full
    if (closed || before === (low || full)) return
    if (before) onUnblocked()
    else onBlocked(reason)
  }

  async function check() {
    // Where the system can't tell, commits still do.
    const stat = await statfs(folder).catch(() => undefined)
    if (!stat) return
    const free = stat.bavail * stat.bsize
    set(
      free < limit,
      isFull,
      `${folder} has ${Math.floor(free / MB)} MB of disk space left; the limit is ${limit / MB}`,
    )
  }

  return {
    full: (error) => set(isLow, true, `${folder} can't be written: ${error.message}`),
    committed: () => set(isLow, false, ''),
    close() {
      closed = true
      clearInterval(timer)
    },
  }
}
