import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { type Committer, createCommitter, type Source } from '../../../supervisor/broker/store/commit.ts'
import type { Database, Operation } from '../../../supervisor/broker/store/database.ts'

/** A database in memory, whose transactions a test can look at, and end the process or fill the disk before. */
export function fakeDatabase(before: (operations: readonly Operation[]) => void = () => {}) {
  const records = new Map<string, Buffer>()
  const writes: Operation[][] = []
  const nothing = async () => {}
  const database: Database = {
    get: (key) => records.get(key.toString('latin1')),
    range: () => [],
    keys(from, to, limit) {
      const all = [...records.keys()].map((key) => Buffer.from(key, 'latin1')).sort(Buffer.compare)
      return all.filter((key) => key.compare(from) >= 0 && key.compare(to) < 0).slice(0, limit)
    },
    async write(given) {
      await turn()
      const operations = [...given]
      before(operations)
      writes.push(operations)
      for (const { key, value } of operations) {
        if (value) records.set(key.toString('latin1'), value)
        else records.delete(key.toString('latin1'))
      }
    },
    space: () => ({ size: 0, unused: 0 }),
    trim: () => undefined,
    whenMuchRead() {},
    watch() {},
    replaceBy: nothing,
    reopen: nothing,
    close: nothing,
  }
  return { database, records, writes }
}

export function committerOf(database: Database, onDiskFull = () => {}): Committer {
  return createCommitter({
    database,
    syncBeside: async () => {},
    onDiskFull,
    onCommitted() {},
    onBroken: (error) => t.fail(error.message),
    whenRoom: () => turn(),
  })
}

export function keyOf(number: number): Buffer {
  const key = Buffer.alloc(5)
  key.writeUInt32BE(number, 1)
  return key
}

export const safe = (committer: Committer) => new Promise<void>((resolve) => committer.whenSafe(resolve))

/** The system has no space. */
export const noSpace = () => Object.assign(new Error('no space'), { code: 'ENOSPC' })

/** A number that a source keeps, and that the database has to have. */
export function counter(committer: Committer, key: Buffer, cost: () => void) {
  let value = 0
  const source: Source = {
    collect(batch) {
      cost()
      batch.put(key, Buffer.from(String(value)))
    },
  }
  return {
    add(change: number) {
      committer.touch(source)
      value += change
    },
  }
}
