// The entry of a process that tells its parent which workers the project has, and ends. Importing them runs whatever
// their files do, which must not happen in a process that has other things to do.
import type { WorkerPlace } from './base/dead-letters.ts'
import { loadWorkers } from './base/discovery.ts'
import { reasonOf } from './base/errors.ts'

try {
  const workers = await loadWorkers(process.cwd())
  const places = workers.map(({ name, definition }): WorkerPlace => {
    const { address, subscription } = definition
    return { name, address: { kind: address.kind, name: address.name }, subscription }
  })
  process.send?.({ places }, () => process.exit(0))
} catch (error) {
  process.send?.({ failed: reasonOf(error) }, () => process.exit(1))
}
