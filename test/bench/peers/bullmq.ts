// BullMQ by its own documentation, on a Redis that appends to a file.
import { answerCalls } from './host.ts'
import { importInstalled } from './installed.ts'
import { now, type Payload, payloadOf, resultOf } from './payload.ts'
import { RETRY_DELAY } from './retry.ts'
import { callMany, sendersOf } from './send.ts'
import { createTally } from './tally.ts'

interface Job {
  readonly data: Payload
  readonly attemptsMade: number
  waitUntilFinished(events: object): Promise<unknown>
}

interface Options {
  readonly connection: unknown
  readonly [name: string]: unknown
}

/** What is used of it. */
interface BullMq {
  Queue: new (
    name: string,
    options: Options,
  ) => {
    add(name: string, data: unknown, options?: object): Promise<Job>
    obliterate(options: { force: boolean }): Promise<void>
    setMaxListeners(count: number): void
  }
  QueueEvents: new (name: string, options: Options) => { waitUntilReady(): Promise<unknown>; close(): Promise<void> }
  Worker: new (
    name: string,
    processor: (job: Job) => Promise<unknown>,
    options: Options,
  ) => {
    waitUntilReady(): Promise<unknown>
    close(): Promise<void>
    on(event: 'error', listener: (error: Error) => void): void
  }
}

const { Queue, QueueEvents, Worker } = importInstalled<BullMq>('bullmq')
const [url = '', prefetch = '250'] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
const connection = { host, port: Number(port), maxRetriesPerRequest: null }
const queues = new Map<string, InstanceType<BullMq['Queue']>>()
/** The options of its jobs, by queue. */
const retried = new Map<string, object>()
const tally = createTally()

function queueOf(name: string) {
  const queue = queues.get(name) ?? new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } })
  queues.set(name, queue)
  return queue
}

const send = (queue: string, data: Payload) => queueOf(queue).add('job', { ...data, at: now() }, retried.get(queue))

function work(queue: string, processor: (job: Job) => Promise<unknown>) {
  const worker = new Worker(queue, processor, { connection, concurrency: Number(prefetch) })
  worker.on('error', console.error)
  return worker
}

answerCalls({
  declare: async (queue: string) => void queueOf(queue),
  purge: (queue: string) => queueOf(queue).obliterate({ force: true }),

  ...sendersOf(send),

  async take(queue: string, count: number, skip?: number) {
    const taken = tally.take(count, skip)
    const worker = work(queue, async ({ data }) => tally.handled(data.at))
    const result = await taken
    await worker.close()
    return result
  },

  async serve(queue: string) {
    const worker = work(queue, async ({ data }) => resultOf(data))
    await worker.waitUntilReady()
  },

  async call(queue: string, count: number, bytes: number, callers: number) {
    const data = payloadOf(bytes)
    // Each job that is waited for listens to it.
    queueOf(queue).setMaxListeners(callers + 10)
    const events = new QueueEvents(queue, { connection })
    await events.waitUntilReady()
    // A caller looks first whether its job has finished already, so that may not be gone by then.
    const options = { removeOnComplete: { count: 1_000 } }
    const called = await callMany(count, callers, async () => {
      const job = await queueOf(queue).add('job', { ...data, at: now() }, options)
      return job.waitUntilFinished(events)
    })
    await events.close()
    return called
  },

  declareRetried(queue: string) {
    retried.set(queue, { attempts: 2, backoff: { type: 'fixed', delay: RETRY_DELAY } })
  },

  async takeRetried(queue: string, count: number) {
    const taken = tally.take(count)
    const worker = work(queue, async ({ data, attemptsMade }) => tally.attempted(data.at, attemptsMade + 1))
    const result = await taken
    await worker.close()
    return result
  },
})
