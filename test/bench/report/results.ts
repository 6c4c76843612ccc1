// What a run has measured, as a JSON document: what the README's figures come from, and what a later run is compared with.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { z } from 'zod'
import type { Result } from '../scenario.ts'

const VERSION = 1
/** More digits of a figure than these are noise, and would fill the committed file. */
const DIGITS = 6
/** Problems that an error lists. */
const MOST_PROBLEMS = 5

export interface Machine {
  readonly cores: number
  readonly model: string
  readonly memoryGb: number
}

/** Has nothing that tells whose machine it was: it is committed. */
export interface Report {
  readonly version: typeof VERSION
  /** ISO 8601. */
  readonly date: string
  /** Node's version: `v22.1.0`. */
  readonly node: string
  readonly machine: Machine
  readonly rounds: number
  readonly results: readonly Result[]
}

const side = z.object({ name: z.string(), values: z.array(z.number()) })
const measure = z.object({
  name: z.string(),
  unit: z.string(),
  better: z.enum(['more', 'less']),
  digits: z.int().min(0).max(20).exactOptional(),
  targets: z.array(z.object({ against: z.string().exactOptional(), value: z.number() })).exactOptional(),
  sides: z.array(side),
})
const schema: z.ZodType<Report> = z.object({
  version: z.literal(VERSION),
  date: z.iso.datetime(),
  node: z.string(),
  machine: z.object({ cores: z.number(), model: z.string(), memoryGb: z.number() }),
  rounds: z.int().min(1),
  results: z.array(z.object({ scenario: z.string(), title: z.string(), measures: z.array(measure) })),
})

/** Results with what they were measured on: this machine, now. */
export function reportOf(results: readonly Result[], rounds: number): Report {
  const model = cpus()[0]?.model.trim() ?? 'unknown'
  const machine = { cores: availableParallelism(), model, memoryGb: Math.round(totalmem() / 2 ** 30) }
  return { version: VERSION, date: new Date().toISOString(), node: process.version, machine, rounds, results }
}

/** Writes figures of six digits; one that is NaN becomes null, which reading refuses: nothing else of a run is lost. */
export function writeReport(path: string, report: Report): void {
  const isFigure = (value: unknown) => typeof value === 'number' && !Number.isInteger(value) && Number.isFinite(value)
  const shorter = (_: string, value: unknown) =>
    isFigure(value) ? Number((value as number).toPrecision(DIGITS)) : value
  const text = JSON.stringify(report, shorter, 2)
  // A side's figures on one line, as Biome has them. No string of JSON has a line break.
  const compact = text.replace(/\[\n([^[\]{}"]+)\n *\]/g, (_, list: string) => `[${list.trim().replace(/\n */g, ' ')}]`)
  writeFileSync(path, `${compact}\n`)
}

/** @throws Error that says what was expected, what was found and where, if the file is no report of this version */
export function readReport(path: string): Report {
  const document = parsedFile(path)
  const version = (document as { version?: unknown } | null)?.version
  if (version !== VERSION)
    throw unreadable(path, `version ${VERSION}`, version === undefined ? 'no version' : `version ${String(version)}`)
  const { success, data, error } = schema.safeParse(document)
  if (success) return data
  const problems = error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
  const more = problems.length > MOST_PROBLEMS ? ` (and ${problems.length - MOST_PROBLEMS} more)` : ''
  throw unreadable(path, `version ${VERSION}`, problems.slice(0, MOST_PROBLEMS).join('; ') + more)
}

function parsedFile(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw unreadable(path, 'a file', (error as NodeJS.ErrnoException).code ?? 'none', error)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable(path, 'JSON', (error as Error).message, error)
  }
}

function unreadable(path: string, expected: string, found: string, cause?: unknown): Error {
  return new Error(
    `${path}: expected a report of the benchmarks, ${expected}; found ${found}. ` +
      'Name another file, or measure this one anew.',
    { cause },
  )
}
