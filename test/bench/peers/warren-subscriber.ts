// Warren's receiving side of a fanout: one of its subscribers.
import { defineFanout, defineWorker } from '../../../supervisor/index.ts'
import { createGate } from './gate.ts'
import { payload } from './payload.ts'

const { BENCH_QUEUE: fanout = '', BENCH_PREFETCH: prefetch = '250' } = process.env
const gate = createGate()

export default defineWorker(defineFanout(fanout, { data: payload }), {
  concurrency: Number(prefetch),
  handler: async ({ at }) => {
    if (gate.closed) await gate.closed
    gate.tally.handled(at)
  },
})
