import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { lockFile } from '#lock-file'
import { isDiskFull } from './disk.ts'
import { StoreFullError, StoreLockedError } from './errors.ts'

/** The file that says which process has the folder. */
export const LOCK_FILE = 'lock'

/**
 * Takes a folder for this process, until the returned function is called. A holder in another container counts as
 * gone: the folder's broker listens on loopback, so that it can serve no one here.
 * @throws {StoreLockedError} if a living process has it
 * @throws {StoreFullError} if the disk has no space for the file
 */
export function lockFolder(folder: string): () => void {
  const lock = lockFile(join(realpathSync(folder), LOCK_FILE), { silenceMs: 0, isUnseenGone: true })
  if (!take(lock, folder)) throw new StoreLockedError(folder, lock.holder ?? 0)
  return () => lock.release()
}

function take(lock: { take(): boolean }, folder: string): boolean {
  try {
    return lock.take()
  } catch (error) {
    throw isDiskFull(error) ? new StoreFullError(folder, { cause: error }) : error
  }
}
