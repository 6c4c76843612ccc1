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
  /** Bytes of a segment that is worth being emptied when most of its messages are gone. */
  sparseBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  windowMessages: 4_096,
  windowBytes: 8 * 2 ** 20,
  totalBytes: 64 * 2 ** 20,
  crowdedBytes: 65_536,
  // A page of the database.
  sparseBytes: 4_096,
}

/** Entries in memory, in the order of their positions. */
export class Window {
  readonly #limits: Limits
  readonly #memory: { readonly bytes: number }
  readonly #entries = createDeque<StoredEntry>()
  #bytes = 0

  /** @param memory the bytes that the entries of all lanes of the store take */
  constructor(limits: Limits, memory: { readonly bytes: number }) {
    this.#limits = limits
    this.#memory = memory
  }

  get isFull(): boolean {
    const { windowMessages, windowBytes, totalBytes, crowdedBytes } = this.#limits
    if (this.#entries.length >= windowMessages || this.#bytes >= windowBytes) return true
    return this.#memory.bytes >= totalBytes && this.#bytes >= crowdedBytes
  }

  push(entry: StoredEntry): void {
    this.#entries.push(entry)
    this.#bytes += entry.size
  }

  first(): StoredEntry | undefined {
    return this.#entries.first()
  }

  shift(): void {
    const entry = this.#entries.shift()
    if (entry) this.#bytes -= entry.size
  }

  clear(): StoredEntry[] {
    this.#bytes = 0
    return this.#entries.clear()
  }
}
