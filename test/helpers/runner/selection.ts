// Which test files a run has, and what their sources say of how they are to be run.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** `embedded`: what needs nothing but Node; `runtime`: what of that can differ between versions of Node; `all`: everything. */
export type Suite = 'embedded' | 'runtime' | 'all'

export interface TestFile {
  /** Its source below test/: 'broker/crash.test.ts'. */
  readonly name: string
  /** The compiled file. */
  readonly path: string
  /**
   * It counts messages: one failure in a hundred runs would be a message lost, so a failure is one, and it is not run again.
   * A line `// @counts-messages` in its source says so.
   */
  readonly countsMessages: boolean
  /** It takes long for what it adds: only `all` has it. A line `// @long` in its source says so. */
  readonly isLong: boolean
  /** It compares times: nothing else runs meanwhile. A line `// @alone` in its source says so. */
  readonly isAlone: boolean
}

/** Left out unless asked for by name: it has a script of its own. */
const ONLY_BY_NAME = /^(bench\/smoke|broker\/(differential|growth)\/|clients\/|(e2e|helpers)\/cluster|e2e\/autoscaler-)/
/**
 * What uses most of what differs between versions of Node: sockets, HTTP, files and their locks, the database's native module,
 * processes, threads, streams; and one path from end to end.
 */
const RUNTIME = new RegExp(
  `^(${[
    'e2e/embedded',
    'contract/(contract|poison)',
    'front-door|http/|routes/|workers/',
    'execution/(deadlines|inline|sandbox|threads|thrown)',
    'messaging/(link|publisher|wire/whole-frames)',
    'broker/(bytes|clients|crash|disk|restart|fuzz/|protocol/(doors|flow|order)|store/(compaction|crash|disk|folder|memory|model))',
    'base/(broker-socket|env-file|error-record|lock|log)',
  ].join('|')})`,
)

/** What takes longest comes first: the run ends when the last file does, and short ones fill the gaps. */
const FIRST = [/^(e2e|soak)\//, /^contract\//, /^readme/, /^helpers\//, /^(scaling|process|commands)\//, /^broker\//]

/**
 * The files of a suite, in the order in which they should run.
 * @param root the repository, compiled
 * @param patterns parts of names; one that contains any of them is taken, whatever the suite
 * @throws Error when a pattern has no file, or when a source has not been compiled
 */
export function select(root: string, suite: Suite, patterns: readonly string[] = []): TestFile[] {
  const names = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.test.ts') && !/^fixtures\/|node_modules/.test(name))
  for (const pattern of patterns) {
    if (!names.some((name) => name.includes(pattern)))
      throw new Error(`expected test files named '${pattern}', found none`)
  }
  const isNamed = (name: string) => patterns.some((pattern) => name.includes(pattern))
  const hasNames = patterns.length > 0
  return names
    .filter((name) => (hasNames ? isNamed(name) : isIn(suite, name)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map((name) => describe(root, name))
    .filter(({ isLong }) => hasNames || suite === 'all' || !isLong)
}

function isIn(suite: Suite, name: string): boolean {
  if (ONLY_BY_NAME.test(name)) return false
  if (suite === 'all') return true
  if (name.startsWith('helpers/')) return false
  return suite === 'embedded' || RUNTIME.test(name)
}

function rank(name: string): number {
  const found = FIRST.findIndex((pattern) => pattern.test(name))
  return found < 0 ? FIRST.length : found
}

function describe(root: string, name: string): TestFile {
  const source = readFileSync(join(root, 'test', name), 'utf8')
  const path = join(root, 'dist', 'test', name.replace(/\.ts$/, '.js'))
  if (!existsSync(path))
    throw new Error(`expected test/${name} to be compiled, found no ${path}: run \`npm run build\``)
  const isMarked = (mark: string) => new RegExp(`^// @${mark}\\b`, 'm').test(source)
  return {
    name,
    path,
    countsMessages: isMarked('counts-messages'),
    isLong: isMarked('long'),
    isAlone: isMarked('alone'),
  }
}
