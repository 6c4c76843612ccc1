import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs an action while no other process runs one under the same file; waits for its turn.
 * @param onWait is called once if another process is at it
 */
export async function withLock<T>(file: string, action: () => Promise<T>, onWait: () => void = () => {}): Promise<T> {
  mkdirSync(dirname(file), { recursive: true })
  let waited = false
  while (!acquire(file)) {
    if (!waited) onWait()
    waited = true
    await sleep(50)
  }
  const release = () => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    return await action()
  } finally {
    process.off('exit', release)
    release()
  }
}

function acquire(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (isAbandoned(file)) rmSync(file, { force: true })
    return false
  }
}

/** Whether the process that wrote the file has ended without removing it. */
function isAbandoned(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat) return false
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    // Created a moment ago and not written yet, or left behind that way.
    if (!pid) return Date.now() - stat.mtimeMs > 5_000
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
