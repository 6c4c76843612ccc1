// BullMQ's sandboxed processors by its documentation: a file, which runs in as many processes as there are jobs at once.
import { fileURLToPath } from 'node:url'
import type { Task } from './cpu-task.ts'
import { answerCalls } from './host.ts'
import { importInstalled } from './installed.ts'

interface BullMq {
  Queue: new (name: string, options: object) => { addBulk(jobs: object[]): Promise<unknown> }
  Worker: new (
    name: string,
    processor: string,
    options: object,
  ) => { close(): Promise<void>; on(event: 'error', listener: (error: Error) => void): void }
}

const { Queue, Worker } = importInstalled<BullMq>('bullmq')
const [url = '', name = '', concurrency = '2'] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
const connection = { host, port: Number(port), maxRetriesPerRequest: null }
const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } })
const processor = fileURLToPath(new URL('./cpu-bullmq-processor.js', import.meta.url))
const worker = new Worker(name, processor, { connection, concurrency: Number(concurrency) })
worker.on('error', console.error)

answerCalls(
  {
    async send(tasks: Task[]) {
      await queue.addBulk(tasks.map((data) => ({ name: 'task', data })))
    },
  },
  { exits: false },
)

// Its processes end with it only if it is closed.
process.on('disconnect', async function end() {
  await worker.close()
  process.exit()
})
