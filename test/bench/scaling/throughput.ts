// What one more instance is worth: messages a second by the number of instances, each a process of its own.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '../../../supervisor/base/bus.ts'
import { defineQueue } from '../../../supervisor/base/definitions.ts'
import { type BrokerProcess, startBrokerProcess } from '../../helpers/broker-process.ts'
import { compiledProject } from '../../helpers/compiled-project.ts'
import { bench } from '../../helpers/messaging.ts'
import { type SupervisedWorker, superviseWorker } from '../../helpers/supervised-worker.ts'
import { removeFolder, type Teardown } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { burn, stepsOf } from '../burn.ts'
import { processorMs } from '../measure.ts'
import { quantile, spread } from '../statistics.ts'
import { withTeardown } from '../teardown.ts'
import { verdict } from '../verdict.ts'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
/** How many sends wait for their confirms at once. */
const IN_FLIGHT = 1_000
const WORKER = 'measured'

interface Job {
  /** What a handler does; `burn` is a loop over so many steps. */
  readonly work: string
  /** How many instances, in turn; the first is one. */
  readonly counts: readonly number[]
  /** Messages for each instance: about three seconds' worth. */
  readonly each: number
  /** Before the clock starts: to load, connect and compile. */
  readonly warmUp: number
  /** Of what so many instances would do if each did as much as one alone. */
  readonly target: number
}

interface Sample {
  /** Messages a second. */
  readonly rate: number
  /** Processor time that a message takes, in ms: the workers' and the broker's. */
  readonly worker: number
  readonly broker: number
}

/** About 5 ms of nothing but computing for each message. Two instances have no more than two processors. */
export async function cpuBound(): Promise<void> {
  const work = `burn(${stepsOf(5)})`
  await compare({ work, counts: [1, 2], each: 500, warmUp: 40, target: 0.9 })
}

/** 20 ms of waiting for each message, ten at a time. */
export async function ioBound(): Promise<void> {
  await compare({ work: 'await sleep(20)', counts: [1, 2, 4, 8], each: 1_500, warmUp: 200, target: 0.95 })
}

async function compare(job: Job): Promise<void> {
  const samples = new Map<number, Sample[]>(job.counts.map((count) => [count, []]))
  await withTeardown(async function measure(t) {
    const folder = mkdtempSync(join(tmpdir(), 'warren-bench-'))
    t.teardown(() => removeFolder(folder))
    const broker = await startBrokerProcess({ folder })
    t.teardown(broker.stop)
    const root = compiledProject(t, { [`workers/${WORKER}.ts`]: workerOf(job.work) })
    const bus = (await bench(t, broker.url).client()).bus()
    for (let round = 0; round < ROUNDS; round++) {
      for (const count of job.counts) samples.get(count)?.push(await sample(count, { ...job, root, broker, bus }))
    }
  })
  report(job, samples)
}

function report({ target }: Job, samples: ReadonlyMap<number, Sample[]>): void {
  const one = samples.get(1) as Sample[]
  for (const [count, list] of samples) {
    const of = (key: keyof Sample) => list.map((sample) => sample[key])
    const cost = `${spread(of('worker'))} ms of a processor a message, the broker ${quantile(of('broker'), 0.5).toFixed(3)}`
    console.log(`${String(count).padStart(7)} x  ${spread(of('rate'), 0)} messages/s | ${cost}`)
  }
  for (const [count, list] of samples) {
    if (count === 1) continue
    const ratios = list.map(({ rate }, round) => rate / (one[round] as Sample).rate)
    const least = target * count
    const share = `${((quantile(ratios, 0.5) / count) * 100).toFixed(0)} % of linear`
    verdict(
      `${count} instances / 1: ${spread(ratios)}, ${share}`,
      quantile(ratios, 0.5) >= least,
      `>= ${least.toFixed(2)}`,
    )
  }
}

/** What a worker's process tells: `held`, or how far it is since then. */
type Told = 'held' | 'ready' | { handled: number; first: number; last: number; processor: number }

interface Setting extends Job {
  readonly root: string
  readonly broker: BrokerProcess
  readonly bus: Bus
}

/** One round: fresh processes, warmed up; then a backlog, and the clock from the first message to the last. */
async function sample(count: number, { root, broker, bus, each, warmUp }: Setting): Promise<Sample> {
  return withTeardown(async function measure(t) {
    const told = Array.from({ length: count }, (): Told | undefined => undefined)
    const workers = told.map((_, i) => startWorker(t, { root, url: broker.url, onTold: (what) => (told[i] = what) }))
    const all = (what: Told) => until(() => told.every((one) => one === what), { what: `all workers to be ${what}` })
    const progress = () => told.filter((one) => typeof one === 'object')
    const sum = (of: (one: Exclude<Told, string>) => number) => progress().reduce((total, one) => total + of(one), 0)
    const handled = (n: number) =>
      until(() => sum((one) => one.handled) === n, { what: `${n} messages to be handled`, timeout: 60_000 })

    await all('ready')
    await sendMany(bus, warmUp * count)
    await handled(warmUp * count)
    for (const worker of workers) worker.tell('hold')
    await all('held')
    await sendMany(bus, each * count)

    const before = processorMs(broker.pid)
    for (const worker of workers) worker.tell('go')
    await handled(each * count)
    const used = processorMs(broker.pid) - before
    if (workers.some(({ ended }) => ended > 0)) throw new Error('a worker has ended meanwhile')

    const elapsed = Math.max(...progress().map(({ last }) => last)) - Math.min(...progress().map(({ first }) => first))
    await Promise.all(workers.map((worker) => worker.stop()))
    const messages = each * count
    return {
      rate: messages / (elapsed / 1_000),
      worker: sum(({ processor }) => processor) / messages,
      broker: used / messages,
    }
  })
}

function startWorker(
  t: Teardown,
  { root, url, onTold }: { root: string; url: string; onTold: (told: Told) => void },
): SupervisedWorker {
  const onMessage = (message: unknown) => {
    if (message === 'ready' || message === 'held' || (message as { handled?: number }).handled) onTold(message as Told)
  }
  return superviseWorker(t, { root, name: WORKER, url, onMessage })
}

async function sendMany(bus: Bus, count: number): Promise<void> {
  const address = defineQueue(WORKER, { data: z.object({ n: z.int() }) })
  let sent = 0
  async function sendOn(): Promise<void> {
    while (sent < count) await bus.send(address, { n: sent++ })
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, sendOn))
}

// What it tells comes twenty times a second, because a message for each would be work that is measured.
function workerOf(work: string): string {
  return `
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

${burn}
const now = () => Number(process.hrtime.bigint()) / 1e6
let [handled, told, first, last, before] = [0, 0, 0, 0, process.cpuUsage()]
let gate
let open = () => {}

process.on('message', (message) => {
  if (message === 'go') open()
  if (message !== 'hold') return
  handled = told = first = 0
  gate = new Promise((resolve) => { open = resolve })
  process.send('held')
})
setInterval(() => {
  if (handled === told) return
  told = handled
  const { user, system } = process.cpuUsage(before)
  process.send({ handled, first, last, processor: (user + system) / 1e3 })
}, 50)

export default defineWorker(defineQueue('${WORKER}', { data: z.object({ n: z.int() }) }), {
  concurrency: 10,
  handler: async () => {
    await gate
    if (first === 0) [first, before] = [now(), process.cpuUsage()]
    ${work}
    handled++
    last = now()
  },
})
`
}
