// Warren's receiving side: a worker, run by the process that pm2 would run. Its file only re-exports this.
import { defineQueue, defineWorker } from '../../../supervisor/index.ts'
import { createGate } from './gate.ts'
import { payload } from './payload.ts'

const { BENCH_QUEUE: queue = '', BENCH_PREFETCH: prefetch = '250' } = process.env
const gate = createGate()

export default defineWorker(defineQueue(queue, { data: payload }), {
  concurrency: Number(prefetch),
  // Handlers wait while a backlog grows, which takes longest for one of a million.
  timeout: '20m',
  handler: async ({ at }) => {
    if (gate.closed) await gate.closed
    gate.tally.handled(at)
  },
})
