// The entry of a process that tells its parent which workers the project has, and ends. Importing them runs whatever
// their files do, which must not happen in a process that has other things to do.
import { loadWorkers } from './base/discovery.ts'
import { reasonOf } from './base/errors.ts'
import type { WorkerSummary } from './base/fleet.ts'

// Killed, its parent can't end it any more.
process.on('disconnect', () => process.exit(1))

try {
  const workers = await loadWorkers(process.cwd())
  const summaries = workers.map(({ name, definition }): WorkerSummary => {
    const { handler: _, kind: __, backoff: ___, address, ...limits } = definition
    return { name, address: { kind: address.kind, name: address.name }, ...limits }
  })
  process.send?.({ workers: summaries }, () => process.exit(0))
} catch (error) {
  process.send?.({ failed: reasonOf(error) }, () => process.exit(1))
}
