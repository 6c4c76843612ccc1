import { createDeque } from './deque.ts'
import type { StoredEntry } from './entry.ts'

/** Limits of what waits in memory; tests make them small. */
export interface Limits {
  /** Messages a lane's window takes. */
  windowMessages: number
  /** Bytes a lane's window takes. */
  windowBytes: number
  /** Bytes that all windows take; beyond it a lane's window takes `crowdedBytes`. */
  totalBytes: number
  crowdedBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  windowMessages: 4_096,
  windowBytes: 8 * 2 ** 20,
  totalBytes: 64 * 2 ** 20,
  crowdedBytes: 65_536,
}

/** Entries in memory, in the order of their positions. */
export interface Window {
  readonly isFull: boolean
  push(entry: StoredEntry): void
  first(): StoredEntry | undefined
  shift(): void
  clear(): StoredEntry[]
}

// An estimate of what an entry costs beside its bytes.
const ENTRY_BYTES = 400

/** @param memory the bytes in the windows of all lanes of the store */
export function createWindow(limits: Limits, memory: { bytes: number }): Window {
  const entries = createDeque<StoredEntry>()
  let bytes = 0

  function count(change: number) {
    bytes += change
    memory.bytes += change
  }

  return {
    get isFull() {
      if (entries.length >= limits.windowMessages || bytes >= limits.windowBytes) return true
      return memory.bytes >= limits.totalBytes && bytes >= limits.crowdedBytes
    },
    push(entry) {
      entries.push(entry)
      count(sizeOf(entry))
    },
    first: entries.first,
    shift() {
      const entry = entries.shift()
      if (entry) count(-sizeOf(entry))
    },
    clear() {
      count(-bytes)
      return entries.clear()
    },
  }
}

/** About what an entry costs in memory. */
export function sizeOf({ message }: StoredEntry): number {
  return ENTRY_BYTES + message.body.length + message.properties.length
}
