import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { type Teardown, temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { stepsOf } from '../burn.ts'
import { RECORD, type Task } from '../peers/cpu-task.ts'
import { startPeer } from '../peers/process.ts'
import type { Scenario } from '../scenario.ts'
import { BULLMQ, startWorker, uniqueName, WARREN, workerFile } from '../sides.ts'

/** Milliseconds of work, and how many tasks: some two seconds' worth for two processors. */
const TASKS = { '1 ms': [1, 2_000], '5 ms': [5, 500], '20 ms': [20, 150] } as const
const THREADS = 2
const PATIENCE = 120_000
const PISCINA = 'piscina'
const SANDBOXED = `${BULLMQ} sandboxed`

interface Performer {
  readonly name: string
  /** Where its tasks write down their times. */
  readonly records: string
  /** Resolves when they are in its queue. */
  send(tasks: readonly Task[]): Promise<unknown>
}

/** Handlers that compute. */
export const cpu: Scenario = {
  name: 'cpu',
  title:
    `Tasks that do nothing but compute, ${THREADS} at a time: Warren in threads and, inline, in its process; bare ` +
    'piscina without a broker; BullMQ in processes. From the first task of a backlog to the last.',
  measures: Object.keys(TASKS).map((name) => ({
    name,
    unit: 'tasks/s',
    better: 'more' as const,
    targets: [
      { against: PISCINA, value: 0.95 },
      { against: SANDBOXED, value: 1.5 },
    ],
  })),
  async open(services, t) {
    const folder = temporaryFolder(t, 'warren-bench-')
    const steps = stepsOf(1)
    const { url } = await services.rabbitmq()
    const performers = [
      await warren(t, url, WARREN, { BENCH_THREADS: String(THREADS) }, recordsIn(folder, 'warren')),
      await warren(t, url, `${WARREN} inline`, { BENCH_THREADS: '0' }, recordsIn(folder, 'inline')),
      await piscina(t, recordsIn(folder, 'piscina')),
    ]
    if (services.has('bullmq')) {
      const redis = await services.redis()
      performers.push(await bullmq(t, redis.url, recordsIn(folder, 'bullmq')))
    }
    return performers.map((performer) => ({
      name: performer.name,
      async sample() {
        const figures: Record<string, number> = {}
        for (const [name, [ms, count]] of Object.entries(TASKS)) {
          figures[name] = await rateOf(performer, { steps: ms * steps }, services.size(count))
        }
        return figures
      },
    }))
  },
}

/** Tasks a second: they wait behind as many that hold all places until all are queued. */
async function rateOf({ name, records, send }: Performer, task: Task, count: number): Promise<number> {
  const gate = `${records}.gate`
  const before = statSync(records).size
  const recorded = (n: number) =>
    until(() => statSync(records).size - before === n * RECORD, {
      what: `${name} to have begun or done ${n} tasks`,
      timeout: PATIENCE,
    })
  writeFileSync(gate, '')
  try {
    await send(Array.from({ length: THREADS }, () => ({ ...task, gate })))
    await send(Array.from({ length: count }, () => task))
    await recorded(THREADS)
  } finally {
    if (existsSync(gate)) rmSync(gate)
  }
  await recorded(THREADS + count)
  const bytes = readFileSync(records).subarray(before + THREADS * RECORD)
  const times = new Float64Array(new Uint8Array(bytes).buffer)
  // Each is a beginning and an end.
  const [first, last] = [Math.min(...times), Math.max(...times)]
  return count / ((last - first) / 1_000)
}

async function warren(
  t: Teardown,
  url: string,
  name: string,
  env: NodeJS.ProcessEnv,
  records: string,
): Promise<Performer> {
  const queue = uniqueName()
  const settings = { ...env, BENCH_CONCURRENCY: String(THREADS), BENCH_RECORDS: records }
  await startWorker(t, { url, queue, file: workerFile('cpu-warren'), env: settings })
  const connection = await connect(url)
  t.teardown(() => connection.close())
  const channel = await connection.createConfirmChannel()
  return {
    name,
    records,
    async send(tasks) {
      for (const task of tasks) channel.sendToQueue(queue, Buffer.from(JSON.stringify(task)), { persistent: true })
      await channel.waitForConfirms()
    },
  }
}

async function piscina(t: Teardown, records: string): Promise<Performer> {
  const peer = await startPeer(t, 'cpu-piscina', { args: [String(THREADS)], env: { BENCH_RECORDS: records } })
  return { name: PISCINA, records, send: (tasks) => peer.call('send', tasks) }
}

async function bullmq(t: Teardown, url: string, records: string): Promise<Performer> {
  const args = [url, uniqueName(), String(THREADS)]
  const peer = await startPeer(t, 'cpu-bullmq', { args, env: { BENCH_RECORDS: records } })
  return { name: SANDBOXED, records, send: (tasks) => peer.call('send', tasks) }
}

function recordsIn(folder: string, name: string): string {
  const file = join(folder, name)
  closeSync(openSync(file, 'w'))
  return file
}
