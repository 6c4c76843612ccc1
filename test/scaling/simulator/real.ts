// The same scenario for real: a project of its own with real processes under pm2, and what becomes of them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConfirmChannel, connect } from 'amqplib'
import type { Test } from 'tap'
import { brokerFolder, brokerUrl, obtainCredentials } from '../../../supervisor/base/broker-credentials.ts'
import { createProject, type TestProject } from '../../helpers/project.ts'
import { until } from '../../helpers/until.ts'
import type { Curve } from './chart.ts'
import { arrivalsOf, type Scenario, TICK, type Workload } from './workload.ts'

/** Milliseconds between two samples. */
const SAMPLE = 500
/** Milliseconds after the end until everything sleeps: a busy machine is late. */
const GRACE = 5_000

export interface RealCourse {
  readonly desired: Curve
  readonly actual: Curve
  /** Messages that have waited, by the broker's word. */
  readonly backlog: Curve
  readonly sent: number
  readonly handled: number
  /** Milliseconds from the decision to start the first one until it takes messages: the machine's, not the policy's. */
  readonly startUp: number
}

type Line = Record<string, unknown>

/** The scenario's first worker, as a file. It notes on one line what it has handled so far. */
function workerFile({ worker, scale, concurrency, serviceMs }: Workload): string {
  return `
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export default defineWorker(defineQueue('${worker}', { data: z.object({ n: z.int() }) }), {
  concurrency: ${concurrency},
  scale: ${JSON.stringify(scale)},
  handler: async ({ n }, { log }) => {
    await sleep(${serviceMs})
    log.info({ n }, 'done')
  },
})
`
}

/** Starts the product with the scenario's worker alone, and waits until that sleeps. */
export async function startReal(t: Test, { workloads: [workload], ceiling }: Scenario): Promise<TestProject> {
  const project = await createProject(t, {}, { real: true })
  delete project.env.AMQP_URL
  Object.assign(project.env, { SHUTDOWN_TIMEOUT: '10s', MAX_INSTANCES: String(ceiling) })
  // The example's workers would only take part in the noise.
  for (const name of ['history', 'recommendations', 'thumbnail']) project.remove(`workers/${name}.ts`)
  project.write(`workers/${workload.worker}.ts`, workerFile(workload))
  const { code, stdout, stderr } = await project.npm('start')
  if (code !== 0) throw new Error(`npm start ended with code ${code}:\n${stdout}\n${stderr}`)
  await asleep(project, workload, workload.scale.cooldown + 20_000)
  return project
}

/** Resolves when no instance is left. */
async function asleep(project: TestProject, workload: Workload, timeout: number): Promise<void> {
  await until(async () => (await countOf(project, workload)) === 0, { what: `${workload.worker} to sleep`, timeout })
}

/**
 * Sends what comes, when it comes, and looks twice a second.
 * @throws an Error if an instance is still there some seconds after the end
 */
export async function runReal(project: TestProject, { workloads: [workload], seconds }: Scenario): Promise<RealCourse> {
  const arrivals = arrivalsOf(workload, seconds)
  const credentials = obtainCredentials(brokerFolder(join(project.root, 'data')))
  const connection = await connect(brokerUrl(credentials, Number(project.env.BROKER_PORT)))
  const channel = await connection.createConfirmChannel()
  const actual: { at: number; value: number }[] = []
  const backlog: { at: number; value: number }[] = []
  const startedAt = Date.now()
  try {
    const sending = send(channel, workload.worker, arrivals, startedAt)
    for (let at = 0; at < seconds * 1_000; at += SAMPLE) {
      await sleep(Math.max(startedAt + at - Date.now(), 0))
      const count = await countOf(project, workload)
      const { messageCount } = await channel.checkQueue(workload.worker)
      const moment = (Date.now() - startedAt) / 1_000
      actual.push({ at: moment, value: count })
      backlog.push({ at: moment, value: messageCount })
    }
    const sent = await sending
    await asleep(project, workload, GRACE)
    const done = logs(project, workload.worker).filter(({ msg }) => msg === 'done')
    const decisions = logs(project, 'autoscaler').filter((line) => timeOf(line) > startedAt && 'desired' in line)
    const startUp = timeOf(done[0]) - workload.serviceMs - timeOf(decisions[0])
    return { desired: curveOf(decisions, startedAt), actual, backlog, sent, handled: done.length, startUp }
  } finally {
    await connection.close()
  }
}

async function send(channel: ConfirmChannel, queue: string, arrivals: readonly number[], startedAt: number) {
  let sent = 0
  for (const [tick, count] of arrivals.entries()) {
    await sleep(Math.max(startedAt + tick * TICK - Date.now(), 0))
    for (let left = count; left > 0; left--) {
      channel.sendToQueue(queue, Buffer.from(JSON.stringify({ n: sent++ })), { contentType: 'application/json' })
    }
  }
  await channel.waitForConfirms()
  return sent
}

/** As the autoscaler logs it with every step. Asking it twice a second would have it look more often. */
function curveOf(decisions: readonly Line[], startedAt: number): Curve {
  const told = decisions.map((line) => ({ at: (timeOf(line) - startedAt) / 1_000, value: Number(line.desired) }))
  return [{ at: 0, value: 0 }, ...told]
}

async function countOf(project: TestProject, { worker }: Workload): Promise<number> {
  return (await project.pids())[worker]?.length ?? 0
}

function timeOf(line: Line | undefined): number {
  return Date.parse(String(line?.time))
}

function logs(project: TestProject, name: string): Line[] {
  const lines = readFileSync(join(project.env.PM2_HOME as string, 'logs', `${name}-out.log`), 'utf8').split('\n')
  // The last one may still be on its way.
  return lines.slice(0, -1).flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
}
