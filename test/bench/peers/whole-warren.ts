// A worker as its user writes it.
import { defineQueue, defineWorker } from '../../../supervisor/index.ts'
import { payload } from './payload.ts'
import { createProgress } from './progress.ts'

const { BENCH_QUEUE: queue = '', BENCH_PREFETCH: prefetch = '250' } = process.env
const onHandled = createProgress()

export default defineWorker(defineQueue(queue, { data: payload }), {
  concurrency: Number(prefetch),
  handler: async () => onHandled(),
})
