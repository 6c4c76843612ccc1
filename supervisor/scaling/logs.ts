import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { connectPm2, type Instance } from './pm2.ts'
import { ownInstances } from './project.ts'
import { tailOf } from './tail.ts'

/** Bytes that are read of all logs together, from their ends. */
const MOST_BYTES = 32 * 1024 * 1024
/** Characters of a line that has not ended yet; the rest comes as another line. */
const LONGEST_LINE = 1024 * 1024
/** Milliseconds between two of the first lines, and how many those are. */
const PACE_MS = 10
const PACED = 10

export interface LogOptions {
  root: string
  /** Only this app's lines. */
  name?: string | undefined
  /** How many of the last lines to begin with. */
  lines: number
  /** Whether to go on with what is written from now on, until the daemon ends or someone interrupts. */
  follow: boolean
  /** Gets each line, pino's JSON or whatever else a process wrote. */
  write(line: string): void
}

/**
 * Passes on what the project's processes log.
 * @returns false if none of them is known to pm2
 */
export async function readLogs({ root, name, lines, follow, write }: LogOptions): Promise<boolean> {
  const pm2 = await connectPm2({ launch: false })
  if (!pm2) return false
  const own = ownInstances(await pm2.list(), root)
  const chosen = own.filter((instance) => name === undefined || instance.name === name)
  if (own.length === 0 || chosen.length === 0) {
    await pm2.disconnect()
    if (own.length === 0) return false
    const names = [...new Set(own.map((instance) => instance.name))]
    throw new StartupError(
      'WARREN_NO_APP',
      `Expected one of ${names.join(', ')}; found '${name}'${didYouMean(name as string, names)}.`,
    )
  }

  for (const [index, line] of lastLines(chosen, lines).entries()) {
    write(line)
    // That `| head -1` has ended shows only in a later write, and the next line may be a long time coming.
    if (follow && index < PACED) await sleep(PACE_MS)
  }
  if (!follow) {
    await pm2.disconnect()
    return true
  }

  const ids = new Set(chosen.map((instance) => instance.id))
  const namesShown = new Set(chosen.map((instance) => instance.name))
  const rest = new Map<string, string>()
  await pm2.listen((event) => {
    // An instance that was added meanwhile counts as well.
    if (event.kind !== 'log' || !(ids.has(event.id) || namesShown.has(event.name))) return
    // pm2 passes on chunks, not lines.
    const key = `${event.id} ${event.stream}`
    const parts = ((rest.get(key) ?? '') + event.text).split('\n')
    const last = parts.pop() as string
    if (last.length > LONGEST_LINE) parts.push(last)
    rest.set(key, last.length > LONGEST_LINE ? '' : last)
    for (const line of parts) write(label(event.name, line))
  })
  return true
}

/** The last lines of all files together, in the order of their times. */
function lastLines(instances: readonly Instance[], count: number): string[] {
  const files = new Map(instances.flatMap(({ name, logFiles }) => logFiles.map((file) => [file, name] as const)))
  const timed = [...files].flatMap(([file, name]) => {
    // A line that is not of pino's, such as one of a stack trace, belongs to the one before it.
    let time = ''
    return tailOf(file, count, Math.floor(MOST_BYTES / files.size)).map((line) => {
      time = /"time":"([^"]+)"/.exec(line)?.[1] ?? time
      return { time, line: label(name, line) }
    })
  })
  return timed
    .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    .slice(-count)
    .map(({ line }) => line)
}

/** pino's lines say whose they are; others are told. */
function label(name: string, line: string): string {
  return line.startsWith('{') ? line : `${name}: ${line}`
}
