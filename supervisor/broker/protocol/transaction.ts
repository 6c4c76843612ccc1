import { AmqpError } from '../errors.ts'

/** What all transactions of a broker keep in memory. */
export interface TransactionMemory {
  bytes: number
}

const LIMITS = {
  /** In one transaction. */
  publications: 10_000,
  /** In all transactions together. */
  bytes: 128 * 1024 * 1024,
}

/** What a publication takes besides its body and its properties. */
const OVERHEAD = 512

/** Sends a publication. Returns whether every queue took it. @param onRouted gets the number of queues that it is for */
export type Send = (onRouted: (queues: number) => void) => Generator<void, boolean>

/** The publications of a channel in transaction mode that wait for its `tx.commit`. */
export interface Transaction {
  /**
   * @throws AmqpError 406 if that is more than transactions may keep
   */
  keep(bytes: number, send: Send): void
  /** Sends everything. Returns false if a queue refused something. */
  commit(onRouted: (queues: number) => void): Generator<void, boolean>
  rollback(): void
}

export function createTransaction(memory: TransactionMemory, limits = LIMITS): Transaction {
  let kept: Send[] = []
  let size = 0

  function take(): Send[] {
    const taken = kept
    memory.bytes -= size
    kept = []
    size = 0
    return taken
  }

  return {
    keep(bytes, send) {
      if (kept.length >= limits.publications) {
        throw tooLarge(`a transaction of more than ${limits.publications} publications`)
      }
      if (memory.bytes + bytes + OVERHEAD > limits.bytes) {
        throw tooLarge(`transactions of more than ${limits.bytes} bytes in all`)
      }
      size += bytes + OVERHEAD
      memory.bytes += bytes + OVERHEAD
      kept.push(send)
    },

    *commit(onRouted) {
      let isAccepted = true
      for (const send of take()) {
        if (!(yield* send(onRouted))) isAccepted = false
        yield
      }
      return isAccepted
    },

    rollback: () => void take(),
  }
}

function tooLarge(what: string): AmqpError {
  return new AmqpError(406, `${what} can't be kept: commit sooner`)
}
