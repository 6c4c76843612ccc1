// What the autoscaler and the command line leave for each other in DATA_DIR: it outlives both.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StartupError } from '../base/errors.ts'
import { withLock } from '../base/lock.ts'

/** Workers that are pinned to a number of instances on this machine, by `warren scale`. */
export type Pins = ReadonlyMap<string, number>

/** @throws StartupError for a file that holds something else */
export function readPins(dataDir: string): Pins {
  const pins = read(dataDir, 'pins.json', {})
  const isValid = isObject(pins) && Object.values(pins).every((count) => Number.isInteger(count) && Number(count) >= 0)
  if (!isValid) throw invalid(dataDir, 'pins.json', 'numbers of instances by worker')
  // Workers are named by users: a Map has no entry that nobody has made, such as `constructor`.
  return new Map(Object.entries(pins as Record<string, number>))
}

/**
 * The pins as they are now. While they can't be read, those that were read last.
 * @param onError is told once of each change of the file that leaves it unusable
 */
export function watchPins(dataDir: string, onError: (error: Error) => void): () => Pins {
  let pins: Pins = new Map()
  let seen: number | undefined
  return function current() {
    const changed = statSync(pathOf(dataDir, 'pins.json'), { throwIfNoEntry: false })?.mtimeMs
    if (changed === seen) return pins
    seen = changed
    try {
      pins = readPins(dataDir)
    } catch (error) {
      onError(error as Error)
    }
    return pins
  }
}

/** Pins a worker, or releases it; whoever writes another pin at the same time waits, so that both count. */
export async function writePin(dataDir: string, worker: string, instances: number | undefined): Promise<void> {
  await withLock(`${pathOf(dataDir, 'pins.json')}.lock`, async () => {
    const pins = new Map(readPins(dataDir))
    if (instances === undefined) pins.delete(worker)
    else pins.set(worker, instances)
    write(dataDir, 'pins.json', Object.fromEntries(pins))
  })
}

/** Workers that the autoscaler has stopped and will wake, unlike those that somebody has stopped by hand. */
export interface Asleep {
  has(worker: string): boolean
  add(worker: string): void
  delete(worker: string): void
}

/** @throws StartupError for a file that holds something else */
export function openAsleep(dataDir: string): Asleep {
  const names = read(dataDir, 'asleep.json', [])
  if (!Array.isArray(names)) throw invalid(dataDir, 'asleep.json', "a list of workers' names")
  const asleep = new Set<unknown>(names)
  const save = () => write(dataDir, 'asleep.json', [...asleep])
  return {
    has: (worker) => asleep.has(worker),
    add(worker) {
      if (asleep.has(worker)) return
      asleep.add(worker)
      save()
    },
    delete(worker) {
      if (asleep.delete(worker)) save()
    },
  }
}

function read(dataDir: string, file: string, otherwise: unknown): unknown {
  let text: string
  try {
    text = readFileSync(pathOf(dataDir, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise
    throw error
  }
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

// Written beside and moved: a reader sees the old one or the new one.
function write(dataDir: string, file: string, value: unknown): void {
  const path = pathOf(dataDir, file)
  mkdirSync(join(dataDir, 'scaling'), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(value)}\n`)
  renameSync(`${path}.${process.pid}`, path)
}

function pathOf(dataDir: string, file: string): string {
  return join(dataDir, 'scaling', file)
}

function invalid(dataDir: string, file: string, expected: string): StartupError {
  return new StartupError(
    'WARREN_SCALING_FILE',
    `${pathOf(dataDir, file)}: expected ${expected}, found something else. Delete it: nothing is lost but what it says.`,
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
