import { readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isName, isWorkerDefinition, NAME_FORMAT, type WorkerDefinition } from './definitions.ts'
import { DiscoveryError, reasonOf } from './errors.ts'

/** A source file directly in `workers/` or `routes/`. */
export interface SourceFile {
  /** The file's name without its ending. */
  readonly name: string
  /** Relative to the project's folder, for messages: `workers/history.ts`. */
  readonly file: string
  /** Absolute path of what tsc makes of it. */
  readonly compiled: string
}

/** Apps of Warren's own, and the word by which pm2 means every app. */
const RESERVED = ['front-door', 'compiler', 'broker', 'autoscaler', 'all']

/** An AMQP routing key has 255 bytes, and the delay network needs 56 of a retry's; a dot joins the two names. */
const MAX_NAMES = 198

const SOURCE = /\.[cm]?ts$/
const DECLARATION = /\.d\.[cm]?ts$/

/**
 * The source files directly in a folder of the project, sorted by name. No such folder: none.
 * @throws DiscoveryError for an unusable name, or two files of one name
 */
export function listSources(root: string, folder: 'workers' | 'routes'): SourceFile[] {
  let entries: string[]
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) => (e.isFile() ? [e.name] : []))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const sources = entries
    .filter((entry) => SOURCE.test(entry) && !DECLARATION.test(entry))
    .sort()
    .map((entry) => {
      const { name, ext } = parse(entry)
      if (!isName(name)) {
        throw new DiscoveryError(
          `${folder}/${entry}: expected a name of ${NAME_FORMAT}; found '${name}'. Rename the file.`,
        )
      }
      // pm2 takes a number for an id.
      if (folder === 'workers' && (RESERVED.includes(name.toLowerCase()) || /^\d+$/.test(name))) {
        throw new DiscoveryError(
          `${folder}/${entry}: expected a name that is not a number and none of ${RESERVED.join(', ')}. Rename the file.`,
        )
      }
      return {
        name,
        file: `${folder}/${entry}`,
        compiled: join(root, 'dist', folder, `${name}${ext.replace('ts', 'js')}`),
      }
    })
  refuseTwins(sources)
  return sources
}

// Names that differ in their case only are one file on some disks, and one pm2 app to a hasty reader.
function refuseTwins(sources: readonly SourceFile[]): void {
  const seen = new Map<string, SourceFile>()
  for (const source of sources) {
    const twin = seen.get(source.name.toLowerCase())
    if (twin) {
      throw new DiscoveryError(`${twin.file} and ${source.file}: expected one file of a name, found two. Rename one.`)
    }
    seen.set(source.name.toLowerCase(), source)
  }
}

export interface Worker extends SourceFile {
  readonly definition: WorkerDefinition
}

/**
 * Imports one worker.
 * @throws DiscoveryError if there is no such file, it can't be imported, or its default export is not a worker
 */
export async function loadWorker(root: string, name: string): Promise<Worker> {
  const sources = listSources(root, 'workers')
  const source = sources.find((s) => s.name === name)
  if (!source) {
    const found = sources.map((s) => s.name).join(', ') || 'no file'
    throw new DiscoveryError(`workers/${name}.ts: expected a file of this name, found ${found} in workers/.`)
  }
  const definition = await importDefault(source)
  if (!isWorkerDefinition(definition)) {
    throw new DiscoveryError(
      `${source.file}: expected a worker as the default export, \`export default defineWorker(…)\`; ` +
        `found ${definition === undefined ? 'no default export' : `a default export of type ${typeof definition}`}.`,
    )
  }
  const { kind, name: fanout } = definition.address
  if (kind === 'fanout' && fanout.length + name.length > MAX_NAMES) {
    throw new DiscoveryError(
      `${source.file}: expected at most ${MAX_NAMES} characters in its name and its fanout's together, found ` +
        `${fanout.length + name.length}. Rename one.`,
    )
  }
  return { ...source, definition }
}

/**
 * Imports every worker of the project.
 * @throws DiscoveryError as `loadWorker`, and where two workers take messages from one queue
 */
export async function loadWorkers(root: string): Promise<Worker[]> {
  const workers = await Promise.all(listSources(root, 'workers').map((source) => loadWorker(root, source.name)))
  const byQueue = new Map<string, Worker>()
  for (const worker of workers) {
    const { kind, name } = worker.definition.address
    if (kind !== 'queue') continue
    const other = byQueue.get(name)
    if (other) {
      throw new DiscoveryError(
        `${other.file} and ${worker.file}: expected one worker for queue '${name}', found two, of which each would get ` +
          'some of its messages. Use a fanout for copies, or `pm2 scale` for more instances.',
      )
    }
    byQueue.set(name, worker)
  }
  return workers
}

/**
 * The default export of a source file, from its compiled form.
 * @throws DiscoveryError that names the source file
 */
export async function importDefault(source: SourceFile): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(source.compiled).href)) as { default?: unknown }
    return module.default
  } catch (error) {
    throw new DiscoveryError(`${source.file}: expected a file that can be imported, found ${describe(error)}`, {
      cause: error,
    })
  }
}

// A syntax error carries its place only in the stack's first lines.
function describe(error: unknown): string {
  if (error instanceof SyntaxError && error.stack) return `a syntax error: ${error.stack.split('\n    at ')[0]}`
  return error instanceof Error ? `${error.name}: ${reasonOf(error)}` : reasonOf(error)
}
