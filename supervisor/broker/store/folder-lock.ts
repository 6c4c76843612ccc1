import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StoreLockedError } from './errors.ts'

/** The file that says which process has the folder. */
export const LOCK_FILE = 'lock'

/** The folders that this process has, because its id in a lock file may also be an earlier process's (in a container). */
const mine = new Set<string>()

/**
 * Takes a folder for this process, until the returned function is called.
 * @throws {StoreLockedError} if a living process has it
 */
export function lockFolder(folder: string): () => void {
  const path = realpathSync(folder)
  const file = join(path, LOCK_FILE)
  if (mine.has(path)) throw new StoreLockedError(folder, process.pid)
  for (;;) {
    try {
      writeFileSync(file, `${process.pid} ${startOf(process.pid)}`, { flag: 'wx', mode: 0o600 })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      removeAbandoned(file, folder)
    }
  }
  mine.add(path)
  function release() {
    if (mine.delete(path)) rmSync(file, { force: true })
  }
  return release
}

function removeAbandoned(file: string, folder: string) {
  const owner = readOwner(file)
  if (owner !== undefined && isAlive(owner)) throw new StoreLockedError(folder, Number(owner.split(' ')[0]))
  // Two processes may come to this at once: the one that moves away the other's new file puts it back.
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (readOwner(aside) !== owner) renameSync(aside, file)
  else rmSync(aside, { force: true })
}

function readOwner(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether a lock file's content names a process that runs, and is not another one that got the same id since. */
function isAlive(owner: string): boolean {
  const [pid, start] = owner.split(' ')
  if (!Number(pid) || Number(pid) === process.pid) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return !start || start === startOf(Number(pid))
}

/** When a process started, in the system's ticks; '' where the system does not tell. */
function startOf(pid: number): string {
  try {
    // Its second field is the program's name in brackets, which may have anything in it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
