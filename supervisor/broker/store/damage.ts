import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { findProblem } from './check-file.ts'
import { StoreDamagedError } from './errors.ts'
import { checkFormat, DATA_FILE, hasMarker } from './format.ts'
import { META_BYTES } from './pages.ts'
import type { OnRecord } from './records.ts'

/** Whether a store's file can be looked at without lmdb: it has the machine's byte order. */
export const CAN_READ = endianness() === 'LE'

/**
 * Checks that a folder's store is whole, as far as the database's own structure goes.
 * @param onRecord gets its records on the way, if they can be read
 * @returns whether there is none yet
 * @throws {StoreDamagedError}
 * @throws {StoreFormatError} for a store that another version of Warren has written
 */
export function checkFolder(folder: string, onRecord: OnRecord): boolean {
  const file = join(folder, DATA_FILE)
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (!hasMarker(folder)) {
    // A creation that was cut short, before anything could be stored.
    if (size !== undefined && size < 2 * META_BYTES) rmSync(file)
    else if (size !== undefined) checkDataFile(folder, file, onRecord)
    return true
  }
  checkFormat(folder)
  if (size === undefined) throw new StoreDamagedError(folder, `its file ${DATA_FILE} is gone`)
  checkDataFile(folder, file, onRecord)
  return false
}

function checkDataFile(folder: string, path: string, onRecord: OnRecord) {
  // Otherwise lmdb has to find out for itself.
  if (!CAN_READ) return
  const file = openSync(path, 'r')
  try {
    const problem = findProblem(file, onRecord)
    if (problem) throw new StoreDamagedError(folder, `${DATA_FILE}: ${problem}`)
  } finally {
    closeSync(file)
  }
}
