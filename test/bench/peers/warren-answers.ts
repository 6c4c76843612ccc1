// Warren's receiving side of calls.
import { defineQueue, defineWorker } from '../../../supervisor/index.ts'
import { answerCalls } from './host.ts'
import { payload, result, resultOf } from './payload.ts'

const { BENCH_QUEUE: queue = '', BENCH_PREFETCH: prefetch = '250' } = process.env

// It serves as long as it runs.
answerCalls({ serve: () => {} }, { exits: false })

export default defineWorker(defineQueue(queue, { data: payload, result }), {
  concurrency: Number(prefetch),
  handler: async (data) => resultOf(data),
})
