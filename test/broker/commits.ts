import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DATA_FILE } from '../../supervisor/broker/store/format.ts'
import { newest, readMetas } from '../../supervisor/broker/store/pages.ts'

/** How many transactions the store in a folder has committed during the action. */
export async function commitsOf(folder: string, action: () => Promise<void>): Promise<number> {
  const before = lastTransaction(folder)
  await action()
  return Number(lastTransaction(folder) - before)
}

function lastTransaction(folder: string): bigint {
  const file = openSync(join(folder, DATA_FILE), 'r')
  try {
    return newest(readMetas(file)).transaction
  } finally {
    closeSync(file)
  }
}
