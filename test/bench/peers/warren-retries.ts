// Warren's receiving side where the first attempt of each message fails.
import { defineQueue, defineWorker } from '../../../supervisor/index.ts'
import { createGate } from './gate.ts'
import { payload } from './payload.ts'
import { RETRY_DELAY } from './retry.ts'

const { BENCH_QUEUE: queue = '', BENCH_PREFETCH: prefetch = '250' } = process.env
const gate = createGate()

export default defineWorker(defineQueue(queue, { data: payload }), {
  concurrency: Number(prefetch),
  attempts: 2,
  backoff: { type: 'fixed', delay: RETRY_DELAY, jitter: 0 },
  handler: async ({ at }, { attempt }) => {
    if (gate.closed) await gate.closed
    gate.tally.attempted(at, attempt)
  },
})
