import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { StoreDamagedError, StoreFormatError } from './errors.ts'

/** The file with everything but the marks. */
export const DATA_FILE = 'data.mdb'
/** Written once a store exists: without its data file it was not there before, it is lost. */
export const MARKER_FILE = 'store.json'

// 1: a definition's key is its name. 2: it is a hash of the name. What format 1 has left is written anew when a store is
// opened; as that may be cut short, a store of format 2 may still have some of it.
const FORMAT = 2
const READABLE: readonly unknown[] = [1, FORMAT]

export function hasMarker(folder: string): boolean {
  return existsSync(join(folder, MARKER_FILE))
}

/**
 * @throws {StoreDamagedError}
 * @throws {StoreFormatError} for a store that another version of Warren has written
 */
export function checkFormat(folder: string): void {
  const format = formatOf(folder)
  if (!READABLE.includes(format)) {
    throw new StoreFormatError(folder, MARKER_FILE, format, FORMAT)
  }
}

/** Notes that the folder has a store of this format from now on. */
export function markFolder(folder: string): void {
  if (hasMarker(folder) && formatOf(folder) === FORMAT) return
  const path = join(folder, MARKER_FILE)
  const file = openSync(`${path}.new`, 'w', 0o600)
  writeSync(file, `${JSON.stringify({ format: FORMAT })}\n`)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
  // An older version must not take the store for its own once its definitions are others.
  const directory = openSync(folder, 'r')
  fsyncSync(directory)
  closeSync(directory)
}

/** The number in the file; undefined if there is none. */
function formatOf(folder: string): unknown {
  const text = readFileSync(join(folder, MARKER_FILE), 'utf8').trim()
  // Made, and not written before the machine went down: format 1's, which alone has been written that way.
  if (text === '') return 1
  try {
    return (JSON.parse(text) as { format?: unknown } | null)?.format
  } catch {
    throw new StoreDamagedError(folder, `${MARKER_FILE} is not JSON`)
  }
}
