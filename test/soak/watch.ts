import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from '../helpers/project.ts'

/** What the processes of a soak look like from outside. */
export interface Watch {
  /** Notes what each process takes, and whether pm2 has started one anew. */
  look(): Promise<void>
  /** pm2's daemon is about to be killed: its counts begin anew. */
  forget(): void
  /** Restarts by app, as pm2 has counted them. */
  readonly restarts: Readonly<Record<string, number>>
  /** Megabytes by app: the median of each third of the time. */
  memory(): Record<string, number[]>
  /** Lines of the logs that no fault of a broker or a message explains. */
  alarming(): string[]
}

/** Ends of processes that an error has caused, and what Node says of its own. */
const ALARMING = /"level":"fatal"|stopping after an error|Unhandled|uncaught|MaxListeners|heap out of memory/

const PAGE_MB = 4_096 / 1_048_576

export function watchProcesses(project: TestProject): Watch {
  const restarts: Record<string, number> = {}
  let known = new Map<number, number>()
  const samples = new Map<string, number[]>()

  return {
    restarts,
    async look() {
      const now = new Map<number, number>()
      for (const { id, name, restarts: count, pid } of await project.list()) {
        now.set(id, count)
        const more = count - (known.get(id) ?? 0)
        if (more > 0) restarts[name] = (restarts[name] ?? 0) + more
        const size = residentMb(pid)
        if (size > 0) samples.set(name, [...(samples.get(name) ?? []), size])
      }
      known = now
    },
    forget() {
      known = new Map()
    },
    memory() {
      return Object.fromEntries([...samples].map(([name, all]) => [name, thirds(all).map(median)]))
    },
    alarming() {
      const folder = join(project.env.PM2_HOME as string, 'logs')
      const files = existsSync(folder) ? readdirSync(folder) : []
      return files.flatMap((file) => {
        const lines = readFileSync(join(folder, file), 'utf8').split('\n')
        return lines.filter((line) => ALARMING.test(line)).map((line) => `${file}: ${line.slice(0, 500)}`)
      })
    },
  }
}

function residentMb(pid: number): number {
  try {
    return Math.round(Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_MB)
  } catch {
    return 0
  }
}

function thirds(all: readonly number[]): number[][] {
  const size = Math.ceil(all.length / 3)
  return [all.slice(0, size), all.slice(size, 2 * size), all.slice(2 * size)]
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
}
