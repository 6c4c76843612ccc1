import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What an instance knows of the processes before it. */
export interface DeathNote {
  /** How many have ended in a row before they had handled a message. */
  readonly deaths: number
  /** This one has handled one, or ends in order. */
  clear(): void
}

/**
 * Leaves a note that this instance has started, to be found by the next process if this one ends before it has handled a
 * message. A folder that can't be written only means that nothing is known.
 * @param instance what the same instance is called after a restart
 */
export function openDeathNote(dataDir: string, worker: string, instance: string): DeathNote {
  const folder = join(dataDir, 'instances')
  const file = join(folder, `${worker}-${instance.replace(/[^\w-]/g, '_')}`)
  const deaths = startsBefore()
  let isThere = leave()

  function startsBefore(): number {
    try {
      const starts = Number(readFileSync(file, 'utf8'))
      return Number.isSafeInteger(starts) && starts > 0 ? starts : 0
    } catch {
      return 0
    }
  }

  function leave(): boolean {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(file, String(deaths + 1), { mode: 0o600 })
      return true
    } catch {
      return false
    }
  }

  return {
    deaths,
    clear() {
      if (!isThere) return
      isThere = false
      try {
        rmSync(file, { force: true })
      } catch {
        // The next process is careful once more than it need be.
      }
    },
  }
}
