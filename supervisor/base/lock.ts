import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockFile } from '#lock-file'

/** Milliseconds between two signs of life to those who can't look at this process. */
const TOUCH_EVERY = 2_000
/** Milliseconds without one until it counts as gone for them. */
const SILENCE_MS = 15_000
/** Milliseconds between two tries. */
const RETRY_MS = 50

/**
 * Runs an action while no other process runs one under the same file; waits for its turn. A holder that is killed has
 * the lock no longer.
 * @param onWait is called once if another process is at it
 */
export async function withLock<T>(file: string, action: () => Promise<T>, onWait: () => void = () => {}): Promise<T> {
  mkdirSync(dirname(file), { recursive: true })
  const lock = lockFile(file, { silenceMs: SILENCE_MS })
  let waited = false
  while (!lock.take()) {
    if (!waited) onWait()
    waited = true
    await sleep(RETRY_MS)
  }
  const release = () => lock.release()
  const timer = setInterval(() => lock.touch(), TOUCH_EVERY)
  timer.unref()
  process.once('exit', release)
  try {
    return await action()
  } finally {
    clearInterval(timer)
    process.off('exit', release)
    release()
  }
}
