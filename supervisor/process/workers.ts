import { fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { closureOf } from '../base/closure.ts'
import { DiscoveryError } from '../base/errors.ts'
import type { WorkerSummary } from '../base/fleet.ts'
import { listSources } from '../base/sources.ts'

const ENTRY = fileURLToPath(new URL('../describe-workers.js', import.meta.url))

/** Milliseconds that importing the workers may take. */
const TIMEOUT = 30_000

/** Asks a process of its own for the project's workers, and again only when one of their files has changed. */
export function workersOf(root: string): () => Promise<readonly WorkerSummary[]> {
  let known: { state: string; workers: Promise<readonly WorkerSummary[]> } | undefined

  return function workers() {
    const state = stateOf(root)
    if (known?.state !== state) {
      const asked = { state, workers: ask(root) }
      known = asked
      asked.workers.catch(() => {
        if (known === asked) known = undefined
      })
    }
    return known.workers
  }
}

function stateOf(root: string): string {
  const compiled = listSources(root, 'workers').map((source) => source.compiled)
  const changes = [...closureOf(compiled, root)].map(
    (file) => `${file} ${statSync(file, { throwIfNoEntry: false })?.ctimeMs}`,
  )
  return [...compiled, ...changes].join('\n')
}

function ask(root: string): Promise<readonly WorkerSummary[]> {
  return new Promise((resolve, reject) => {
    // What the workers' files print is not for whoever reads this process's output.
    const child = fork(ENTRY, [], { cwd: root, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], timeout: TIMEOUT })
    // It ends with this process, whenever that is told to end.
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
    child.on('message', ({ workers, failed }: { workers?: WorkerSummary[]; failed?: string }) => {
      if (workers) resolve(workers)
      else reject(new DiscoveryError(failed ?? 'the workers can not be listed'))
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.off('exit', end)
      reject(new DiscoveryError(`Listing the workers ended with ${signal ?? `code ${code}`}: a file ends the process.`))
    })
  })
}
