import type { Operation } from './database.ts'
import { logIdOf } from './keys.ts'

/** What a commit writes, in order. */
export interface Operations {
  readonly length: number
  /** Bytes of keys and values. */
  readonly bytes: number
  push(operation: Operation): void
  /** Takes out what was to be put of logs. */
  dropLogs(queueIds: ReadonlySet<number>): void
  all(): readonly Operation[]
  clear(): void
  /** Leaves the last operation of each key: what is tried again together with more must not grow by each try. */
  squeeze(): void
}

export function createOperations(): Operations {
  let list: Operation[] = []
  let bytes = 0

  function sizeOf({ key, value }: Operation): number {
    return key.length + (value?.length ?? 0)
  }

  function replace(operations: Operation[]) {
    list = operations
    bytes = 0
    for (const operation of list) bytes += sizeOf(operation)
  }

  return {
    get length() {
      return list.length
    },
    get bytes() {
      return bytes
    },
    push(operation) {
      list.push(operation)
      bytes += sizeOf(operation)
    },
    dropLogs(queueIds) {
      // What is removed of them may have been found in the database, which is looked through once.
      const isKept = ({ key, value }: Operation) => {
        const id = value && logIdOf(key)
        return id === undefined || !queueIds.has(id)
      }
      if (queueIds.size > 0) replace(list.filter(isKept))
    },
    all: () => list,
    clear() {
      list = []
      bytes = 0
    },
    squeeze() {
      const last = new Map<string, Operation>()
      for (const operation of list) last.set(operation.key.toString('latin1'), operation)
      if (last.size < list.length) replace([...last.values()])
    },
  }
}
