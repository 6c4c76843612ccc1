// The entry of a process that tells its parent what the workers of the given names are, one after the other, and ends.
// Importing them runs whatever their files do, which must not happen in a process that has other things to do.
import { loadWorker } from './base/discovery.ts'
import { reasonOf } from './base/errors.ts'
import type { WorkerDescription } from './base/fleet.ts'

// Killed, its parent can't end it any more.
process.on('disconnect', () => process.exit(1))
// Or Node would wait for the parent where a worker's file waits for nothing that could still happen.
process.channel?.unref()

for (const name of process.argv.slice(2)) {
  await tell({ importing: name })
  await tell(await describe(name))
}
process.exit(0)

async function describe(name: string): Promise<WorkerDescription> {
  try {
    const { definition } = await loadWorker(process.cwd(), name)
    const { handler: _, kind: __, backoff: ___, address, ...limits } = definition
    return { name, worker: { name, address: { kind: address.kind, name: address.name }, ...limits } }
  } catch (error) {
    return { name, failed: reasonOf(error) }
  }
}

/** Resolves when it is with the parent, whatever happens to this process then. */
function tell(description: WorkerDescription): Promise<void> {
  return new Promise((resolve) => process.send?.(description, () => resolve()))
}
