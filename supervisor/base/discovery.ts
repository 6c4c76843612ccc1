import { pathToFileURL } from 'node:url'
import { type Address, isWorkerDefinition, type WorkerDefinition } from './definitions.ts'
import { DiscoveryError, reasonOf } from './errors.ts'
import { listSources, type SourceFile } from './sources.ts'

/** An AMQP routing key has 255 bytes, and the delay network needs 56 of a retry's; a dot joins the two names. */
const MAX_NAMES = 198

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
  const [twin] = twinsOf(workers.map(({ file, definition }) => ({ file, address: definition.address })))
  if (twin) throw new DiscoveryError(twin.reason)
  return workers
}

/** The workers whose queue is that of one before them, and why that can't be. */
export function twinsOf<W extends Pick<SourceFile, 'file'> & { address: Pick<Address, 'kind' | 'name'> }>(
  workers: readonly W[],
): { worker: W; reason: string }[] {
  const byQueue = new Map<string, W>()
  return workers.flatMap((worker) => {
    const { kind, name } = worker.address
    if (kind !== 'queue') return []
    const other = byQueue.get(name)
    if (!other) {
      byQueue.set(name, worker)
      return []
    }
    const reason =
      `${other.file} and ${worker.file}: expected one worker for queue '${name}', found two, of which each would get ` +
      'some of its messages. Use a fanout for copies, or `pm2 scale` for more instances.'
    return [{ worker, reason }]
  })
}

/** The files that are being imported. */
const unfinished = new Set<string>()

/** The files whose import has begun and not ended, as it never does where a top-level `await` is not settled. */
export function unfinishedImports(): string[] {
  return [...unfinished].sort()
}

/**
 * The default export of a source file, from its compiled form.
 * @throws DiscoveryError that names the source file
 */
export async function importDefault(source: SourceFile): Promise<unknown> {
  unfinished.add(source.file)
  try {
    const module = (await import(pathToFileURL(source.compiled).href)) as { default?: unknown }
    return module.default
  } catch (error) {
    throw new DiscoveryError(`${source.file}: expected a file that can be imported, found ${describe(error)}`, {
      cause: error,
    })
  } finally {
    unfinished.delete(source.file)
  }
}

// A syntax error carries its place only in the stack's first lines.
function describe(error: unknown): string {
  if (error instanceof SyntaxError && error.stack) return `a syntax error: ${error.stack.split('\n    at ')[0]}`
  return error instanceof Error ? `${error.name}: ${reasonOf(error)}` : reasonOf(error)
}
