import { fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { closureOf } from '../base/closure.ts'
import { twinsOf } from '../base/discovery.ts'
import { DiscoveryError } from '../base/errors.ts'
import type { BrokenWorker, ProjectWorkers, WorkerDescription, WorkerSummary } from '../base/fleet.ts'
import { listSources, type SourceFile } from '../base/sources.ts'

const ENTRY = fileURLToPath(new URL('../describe-workers.js', import.meta.url))

/** Milliseconds that importing one worker may take. */
const IMPORT_TIMEOUT_MS = 30_000

interface Described {
  readonly workers: readonly WorkerSummary[]
  readonly broken: readonly BrokenWorker[]
}

/** Asks a process of its own for the project's workers, and again only when one of their files has changed. */
export function workersOf(root: string, { timeoutMs = IMPORT_TIMEOUT_MS } = {}): ProjectWorkers {
  let known: { state: string; described: Promise<Described> } | undefined

  async function described(): Promise<Described> {
    const sources = listSources(root, 'workers')
    const state = stateOf(root, sources)
    if (known?.state !== state) {
      const asked = { state, described: describe(root, sources, timeoutMs) }
      known = asked
      asked.described.catch(() => {
        if (known === asked) known = undefined
      })
    }
    return known.described
  }

  async function all(): Promise<readonly WorkerSummary[]> {
    const { workers, broken } = await described()
    if (broken.length > 0) throw new DiscoveryError(broken.map(({ reason }) => reason).join('\n'))
    return workers
  }

  return Object.assign(all, {
    sound: async () => (await described()).workers,
    broken: async () => (await described()).broken,
  })
}

function stateOf(root: string, sources: readonly SourceFile[]): string {
  const compiled = sources.map((source) => source.compiled)
  const changes = [...closureOf(compiled, root)].map(
    (file) => `${file} ${statSync(file, { throwIfNoEntry: false })?.ctimeMs}`,
  )
  return [...compiled, ...changes].join('\n')
}

async function describe(root: string, sources: readonly SourceFile[], timeoutMs: number): Promise<Described> {
  const workers = new Map<string, WorkerSummary>()
  const reasons = new Map<string, string>()
  let left = sources.map(({ name }) => name)
  while (left.length > 0) {
    const ended = await ask(root, left, timeoutMs, (description) => {
      if ('worker' in description) workers.set(description.name, description.worker)
      else reasons.set(description.name, description.failed)
    })
    const next = left.filter((name) => !workers.has(name) && !reasons.has(name))
    // The one at whose import it ended; the others get another process.
    const culprit = ended.importing ?? next[0]
    if (culprit !== undefined && next.includes(culprit)) {
      const { file = culprit } = sources.find(({ name }) => name === culprit) ?? {}
      reasons.set(culprit, `${file}: expected a file that can be imported, found one ${ended.how}.`)
    }
    left = next.filter((name) => name !== culprit)
  }

  const found = sources.flatMap(({ name, file }) => {
    const worker = workers.get(name)
    return worker ? [{ name, file, address: worker.address }] : []
  })
  for (const { worker, reason } of twinsOf(found)) {
    workers.delete(worker.name)
    reasons.set(worker.name, reason)
  }
  return {
    workers: sources.flatMap(({ name }) => workers.get(name) ?? []),
    broken: sources.flatMap(({ name, file }) => {
      const reason = reasons.get(name)
      return reason === undefined ? [] : [{ name, file, reason }]
    }),
  }
}

/** Resolves when the process has ended: with the worker that it was importing, and how it ended. */
function ask(
  root: string,
  names: readonly string[],
  timeoutMs: number,
  onResult: (result: Exclude<WorkerDescription, { importing: string }>) => void,
): Promise<{ importing: string | undefined; how: string }> {
  return new Promise((resolve, reject) => {
    // What the workers' files print is not for whoever reads this process's output.
    const child = fork(ENTRY, names, { cwd: root, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    // It ends with this process, whenever that is told to end.
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
    let importing: string | undefined
    let isLate = false
    let late = setTimeout(giveUp, timeoutMs)

    function giveUp(): void {
      isLate = true
      end()
    }

    child.on('message', (description: WorkerDescription) => {
      clearTimeout(late)
      late = setTimeout(giveUp, timeoutMs)
      if ('importing' in description) {
        importing = description.importing
      } else {
        importing = undefined
        onResult(description)
      }
    })
    child.on('error', reject)
    let how: string | undefined
    let isRead = false
    child.on('exit', (code, signal) => {
      clearTimeout(late)
      process.off('exit', end)
      how = isLate ? `that takes over ${timeoutMs} ms` : endOf(code, signal)
      settle()
    })
    // What it has said may be read after its end.
    child.on('disconnect', () => {
      isRead = true
      settle()
    })

    function settle(): void {
      if (isRead && how !== undefined) resolve({ importing, how })
    }
  })
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  // Node's code for a top-level await that nothing settles any more.
  if (code === 13) return 'with a top-level `await` that is never settled'
  return `that ends the process (${signal ?? `code ${code}`})`
}
