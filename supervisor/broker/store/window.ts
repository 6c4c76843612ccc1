import { createDeque } from './deque.ts'
import type { StoredEntry } from './entry.ts'

/** Limits of what waits in memory; tests make them small. */
export interface Limits {
  /** Messages a lane's window takes. */
  windowMessages: number
  /** Bytes a lane's window takes. */
  windowBytes: number
  /** Bytes that all entries in memory take; beyond it a lane's window takes `crowdedBytes`. */
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

/** @param memory the bytes that the entries of all lanes of the store take */
export function createWindow(limits: Limits, memory: { readonly bytes: number }): Window {
  const entries = createDeque<StoredEntry>()
  let bytes = 0

  return {
    get isFull() {
      if (entries.length >= limits.windowMessages || bytes >= limits.windowBytes) return true
      return memory.bytes >= limits.totalBytes && bytes >= limits.crowdedBytes
    },
    push(entry) {
      entries.push(entry)
      bytes += entry.size
    },
    first: entries.first,
    shift() {
      const entry = entries.shift()
      if (entry) bytes -= entry.size
    },
    clear() {
      bytes = 0
      return entries.clear()
    },
  }
}
