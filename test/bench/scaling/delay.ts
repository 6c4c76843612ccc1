// How long a message waits for a process that is not there yet.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { brokerFolder, brokerUrl, obtainCredentials } from '../../../supervisor/base/broker-credentials.ts'
import type { Bus } from '../../../supervisor/base/bus.ts'
import { defineQueue } from '../../../supervisor/base/definitions.ts'
import { bench } from '../../helpers/messaging.ts'
import type { TestProject } from '../../helpers/project.ts'
import type { Teardown } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { quantile, spread } from '../statistics.ts'
import { withTeardown } from '../teardown.ts'
import { verdict } from '../verdict.ts'
import { startProject, untilRunning } from './project.ts'

const COLD_STARTS = Number(process.env.BENCH_ROUNDS ?? 15)
const BURSTS = Number(process.env.BENCH_ROUNDS ?? 7)
const BURST = 200
/** Milliseconds: where within the autoscaler's rhythm a message comes must be left to chance. */
const ANY_TIME = 1_000
/** Milliseconds until an autoscaler that has just started knows whether it has the work to itself. */
const GREETING = 3_000

/** What a handler writes down as it begins. */
interface Handled {
  round: number
  pid: number
  /** Milliseconds of the machine's monotonic clock, which all of its processes share. */
  at: number
}

/** From sending a message to a worker without a process, to its handler. */
export async function coldStart(): Promise<void> {
  await withTeardown(async function measure(t) {
    const { project, send, handled } = await startWorker(t, 'min: 0, max: 1', 'async () => {}')
    const times: number[] = []
    for (let round = 0; round < COLD_STARTS; round++) {
      await untilRunning(project, ['delayed'], 0)
      await pause(500 + Math.random() * ANY_TIME)
      const start = now()
      await send({ round })
      const first = await until(() => handled(round)[0], { what: `message ${round} to be handled` })
      times.push(first.at - start)
    }
    told(`cold start: ${spread(times, 0)} ms from sending to handler, ${COLD_STARTS} times`, times, 500)
  })
}

/** From a burst of messages to the first one that an additional process handles. */
export async function burst(): Promise<void> {
  await withTeardown(async function measure(t) {
    const scale = 'min: 1, max: 3, messagesPerInstance: 20'
    const { project, send, handled } = await startWorker(t, scale, '() => sleep(50)')
    const times: number[] = []
    for (let round = 0; round < BURSTS; round++) {
      await untilRunning(project, ['delayed'], 1)
      await pause(500 + Math.random() * ANY_TIME)
      const { delayed: [pid] = [] } = await project.pids()
      const start = now()
      await Promise.all(Array.from({ length: BURST }, () => send({ round })))
      await until(() => handled(round).length === BURST, {
        what: `all of burst ${round} to be handled`,
        timeout: 30_000,
      })
      const [first] = handled(round).filter((one) => one.pid !== pid)
      times.push(first ? first.at - start : Number.POSITIVE_INFINITY)
    }
    told(`burst: ${spread(times, 0)} ms until another instance handles its first, ${BURSTS} times`, times, 1_000)
  })
}

function told(what: string, times: readonly number[], target: number): void {
  verdict(what, quantile(times, 0.5) < target && Math.max(...times) < target, `< ${target} each time`)
}

interface Started {
  project: TestProject
  send(data: { round: number }): Promise<unknown>
  /** What is known of a round, in order; undefined: nothing yet. */
  handled(round: number): Handled[]
}

async function startWorker(t: Teardown, scale: string, wait: string): Promise<Started> {
  const project = await startProject(t, { delayed: workerOf(scale, wait) })
  await pause(GREETING)
  const credentials = obtainCredentials(brokerFolder(join(project.root, 'data')))
  const client = await bench(t, brokerUrl(credentials, Number(project.env.BROKER_PORT))).client()
  const bus: Bus = client.bus()
  const address = defineQueue('delayed', { data: z.object({ round: z.int() }) })
  return {
    project,
    send: (data) => bus.send(address, data),
    handled(round) {
      const file = join(project.root, 'handled')
      if (!existsSync(file)) return []
      // The last line may still be on its way.
      const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
      const all = lines.map((line) => JSON.parse(line) as Handled)
      return all.filter((one) => one.round === round).sort((a, b) => a.at - b.at)
    },
  }
}

function workerOf(scale: string, wait: string): string {
  return `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const wait: () => Promise<unknown> = ${wait}
void sleep

export default defineWorker(defineQueue('delayed', { data: z.object({ round: z.int() }) }), {
  concurrency: 2,
  scale: { ${scale}, cooldown: '500ms' },
  handler: async ({ round }) => {
    const at = Number(process.hrtime.bigint()) / 1e6
    appendFileSync('handled', JSON.stringify({ round, pid: process.pid, at }) + '\\n')
    await wait()
  },
})
`
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
