// What an app was started with, kept in pm2 beside it: the next start compares. Values are there as salted hashes only.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { APP_VARIABLE, environmentOf, isNoise, isOwn, mayHave } from './app-env.ts'
import { closureOf } from './closure.ts'
import { memoByFile } from './file-memo.ts'
import { listSources } from './sources.ts'

/** The variable that holds the mark. */
export const MARK_VARIABLE = 'WARREN_STARTED_WITH'

export interface Mark {
  readonly salt: string
  /** A hash of all that its process loads of the project. */
  readonly code: string
  /** Its variables' hashes. */
  readonly values: ReadonlyMap<string, string>
  /** Those of them that are in `.env`. */
  readonly inFile: ReadonlySet<string>
}

/** A variable that an app's process would see otherwise if it were started now. */
export interface Difference {
  readonly name: string
  readonly kind: 'changed' | 'set' | 'unset'
  /** Whether `.env` names it, now or at the app's start. */
  readonly inFile: boolean
}

/** An app, as far as it says what it loads. */
export interface AppFiles {
  readonly name: string
  readonly script: string
  readonly args?: readonly string[]
}

/** The environment of the project's processes: this one's, completed by the `.env` file, which is not applied here. */
export function projectEnv(root: string): NodeJS.ProcessEnv {
  return { ...envFile(root), ...process.env }
}

/** What pm2 gives an app's process: its variables, its name, and the mark. */
export function startEnvironment(app: AppFiles, root: string): Record<string, string> {
  const mark = makeMark(app, root)
  const text = JSON.stringify({ ...mark, values: [...mark.values], inFile: [...mark.inFile] })
  return { ...environmentOf(app.name, process.env), [APP_VARIABLE]: app.name, [MARK_VARIABLE]: text }
}

/** What an app would be started with now. */
export function makeMark(app: AppFiles, root: string, salt: string = randomBytes(8).toString('base64url')): Mark {
  const file = new Set(Object.keys(envFile(root)))
  const values = new Map<string, string>()
  for (const [name, value] of Object.entries(environmentOf(app.name, projectEnv(root)))) {
    // Warren takes an empty variable of its own for none.
    if (value === '' && isOwn(name)) continue
    if (file.has(name) || !isNoise(name)) values.set(name, hashValue(salt, value))
  }
  const inFile = new Set([...file].filter((name) => mayHave(app.name, name)))
  return { salt, code: hashFiles(filesOf(app, root), root), values, inFile }
}

/** The mark in an app's environment, if it has one. */
export function readMark(env: Readonly<Record<string, string | undefined>>): Mark | undefined {
  try {
    const { salt, code, values, inFile } = JSON.parse(env[MARK_VARIABLE] ?? '') as Record<keyof Mark, never>
    return { salt, code, values: new Map(values), inFile: new Set(inFile) }
  } catch {
    return undefined
  }
}

/** What is different between two marks that were made with one salt. */
export function differencesOf(before: Mark, now: Mark): Difference[] {
  const names = new Set([...before.values.keys(), ...now.values.keys()])
  return [...names].flatMap((name): Difference[] => {
    const [was, is] = [before.values.get(name), now.values.get(name)]
    if (was === is) return []
    const kind = was === undefined ? 'set' : is === undefined ? 'unset' : 'changed'
    return [{ name, kind, inFile: before.inFile.has(name) || now.inFile.has(name) }]
  })
}

/** What an app's process loads; for what is not among the sources any more, its entry. */
export function filesOf({ name, script, args = [] }: AppFiles, root: string): Set<string> {
  const folder = name === 'front-door' ? 'routes' : 'workers'
  const isAll = name === 'front-door' || name === 'autoscaler'
  const loads = listSources(root, folder).filter((source) => isAll || args.includes(source.name))
  return closureOf([resolve(root, script), ...loads.map(({ compiled }) => compiled)], root)
}

/** Lines of `.env` that are no variable's, and would be skipped: a mistyped key would leave the front door without keys. */
export function envFileProblems(root: string): string[] {
  const file = join(root, '.env')
  if (!existsSync(file)) return []
  // Values in quotes may have several lines.
  const quoted = /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(["'`])[\s\S]*?\1/gm
  const text = readFileSync(file, 'utf8').replace(quoted, (value) => `=${value.replace(/[^\n]/g, '')}`)
  return text.split('\n').flatMap((line, index) =>
    // The line may hold a secret: it is not repeated.
    /^\s*(#|$)/.test(line) || line.includes('=')
      ? []
      : [`.env, line ${index + 1}: expected NAME=value, found a line without '='`],
  )
}

function envFile(root: string): NodeJS.Dict<string> {
  const file = join(root, '.env')
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
}

const digestOf = memoByFile((contents) => createHash('sha256').update(contents).digest())

function hashFiles(files: Iterable<string>, root: string): string {
  const hash = createHash('sha256')
  for (const file of [...files].sort()) {
    hash.update(`${relative(root, file)}\0`)
    // One that does not exist is different from an empty one.
    hash.update(digestOf(file) ?? 'none')
  }
  return hash.digest('base64url').slice(0, 22)
}

function hashValue(salt: string, value: string): string {
  return createHmac('sha256', salt).update(value).digest('base64url').slice(0, 11)
}
