import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { lockFile } from '#lock-file'
import { StoreLockedError } from './errors.ts'

/** The file that says which process has the folder. */
export const LOCK_FILE = 'lock'

/**
 * Takes a folder for this process, until the returned function is called. A holder in another container counts as
 * gone: the folder's broker listens on loopback, so that it can serve no one here.
 * @throws {StoreLockedError} if a living process has it
 */
export function lockFolder(folder: string): () => void {
  const lock = lockFile(join(realpathSync(folder), LOCK_FILE), { silenceMs: 0, isUnseenGone: true })
  if (!lock.take()) throw new StoreLockedError(folder, lock.holder ?? 0)
  return () => lock.release()
}
