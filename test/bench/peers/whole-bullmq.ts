// The same with BullMQ, by its documentation.
import { importInstalled } from './installed.ts'
import { createProgress } from './progress.ts'

interface BullMq {
  Worker: new (
    name: string,
    processor: () => Promise<unknown>,
    options: object,
  ) => { on(event: 'error', listener: (error: Error) => void): void; waitUntilReady(): Promise<unknown> }
}

const { Worker } = importInstalled<BullMq>('bullmq')
const [url = '', name = '', concurrency = '250'] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
const onHandled = createProgress()
const worker = new Worker(name, async () => onHandled(), {
  connection: { host, port: Number(port), maxRetriesPerRequest: null },
  concurrency: Number(concurrency),
})
worker.on('error', console.error)
await worker.waitUntilReady()
process.on('disconnect', () => process.exit())
process.send?.('ready')
