import { existsSync, readFileSync } from 'node:fs'
import { StartupError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { connectPm2, type Instance } from './pm2.ts'
import { ownInstances } from './project.ts'

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

  for (const line of lastLines(chosen, lines)) write(line)
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
    rest.set(key, parts.pop() as string)
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
    const written = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').filter(Boolean) : []
    return written.slice(-count).map((line) => {
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
