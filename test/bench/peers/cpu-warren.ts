// A worker whose handler computes, in threads or in the process's own.
import { defineQueue, defineWorker } from '../../../supervisor/index.ts'
import { perform, task } from './cpu-task.ts'

const { BENCH_QUEUE: queue = '', BENCH_THREADS: threads = '0', BENCH_CONCURRENCY: concurrency = '2' } = process.env

export default defineWorker(defineQueue(queue, { data: task }), {
  threads: Number(threads),
  concurrency: Number(concurrency),
  handler: perform,
})
