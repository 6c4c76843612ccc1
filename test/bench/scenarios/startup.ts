import type { Scenario } from '../scenario.ts'
import { withTeardown } from '../teardown.ts'
import { openWholeWorkers, startFor } from '../whole-workers.ts'

const measure = { unit: 'ms', better: 'less' } as const

/** How long a new instance takes. */
export const startup: Scenario = {
  name: 'startup',
  title:
    "From the start of a worker's process until it is ready, and until it has handled a message that waits for it.",
  measures: [
    { name: 'ready', ...measure, targets: [{ value: 250 }] },
    { name: 'first message', ...measure },
  ],
  async open(services, t) {
    const workers = await openWholeWorkers(services, t)
    return workers.map((worker) => ({
      name: worker.name,
      async sample() {
        await worker.send(1)
        return withTeardown(async function startOne(t) {
          const start = performance.now()
          const { handled } = await startFor(t, worker, 1)
          const ready = performance.now() - start
          return { ready, 'first message': (await handled) - start }
        })
      },
    }))
  },
}
