// A project whose workers do what each message says, and note it: for tests of how processes come and go.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createProject, type TestProject } from './project.ts'
import { until } from './until.ts'

/** What a handler notes as it begins, and as it ends. */
export interface Note {
  readonly what: 'begun' | 'done'
  readonly n: number
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Tasks extends TestProject {
  readonly url: string
  /** What `npm start` wrote. */
  readonly stdout: string
  /**
   * Sends messages to a worker's queue over HTTP, numbered on from the last ones; resolves with their numbers when the
   * broker has confirmed them.
   * @param ms how long each is to take
   */
  send(worker: string, count: number, ms: number): Promise<number[]>
  /** Sends as many as a worker takes, so that there are always some to handle; resolves once there have been enough. */
  sendUntil(worker: string, ms: number, isEnough: () => boolean): Promise<void>
  notes(worker: string): Note[]
  /** Waits until all that was sent to a worker is done; resolves with the numbers of those that were begun more than once. */
  settled(worker: string, timeout?: number): Promise<number[]>
  /** A process's log lines so far. */
  logs(name: string): Record<string, unknown>[]
  /** Instances of a worker whose processes run. */
  running(worker: string): Promise<number[]>
  /** Waits until that many instances of a worker run. */
  runs(worker: string, count: number, timeout?: number): Promise<number[]>
}

/** A worker's file. Its handler sleeps for as long as its message says; `options` are more of the worker's. */
export function taskWorker(queue: string, options = ''): string {
  return `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int(), ms: z.int() }) })
const note = (what: string, n: number) =>
  appendFileSync('notes-${queue}', \`\${what} \${n} \${process.pid} \${Date.now()}\\n\`)

export default defineWorker(address, {
  ${options}
  handler: async ({ n, ms }) => {
    note('begun', n)
    await sleep(ms)
    note('done', n)
  },
})
`
}

const ROUTE = `
import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'
import { defineQueue, type FrontDoor } from 'warren'
import { z } from 'zod'

const data = z.object({ n: z.int(), ms: z.int() })

export default new Hono<FrontDoor>().post('/:queue/:from/:count/:ms', async (c) => {
  const { queue, from, count, ms } = c.req.param()
  const address = defineQueue(queue, { data })
  await sleep(Number(c.req.query('after') ?? 0))
  const numbers = Array.from({ length: Number(count) }, (_, i) => Number(from) + i)
  await Promise.all(numbers.map((n) => c.var.bus.send(address, { n, ms: Number(ms) })))
  return c.json({ numbers }, 202)
})
`

export interface TasksOptions {
  /** By name, each one's `options`. */
  workers: Record<string, string>
  env?: NodeJS.ProcessEnv
}

/**
 * Starts the example application without its CPU-bound worker, and with workers of the test's, on the embedded broker; all
 * of it ends with the test.
 */
export async function startTasks(t: Test, { workers, env = {} }: TasksOptions): Promise<Tasks> {
  const project = await createProject(t, {}, { real: true })
  delete project.env.AMQP_URL
  Object.assign(project.env, { SHUTDOWN_TIMEOUT: '10s', LOG_LEVEL: 'debug' }, env)
  for (const name of ['thumbnail', 'recommendations']) project.remove(`workers/${name}.ts`)
  for (const [name, options] of Object.entries(workers)) project.write(`workers/${name}.ts`, taskWorker(name, options))
  project.write('routes/tasks.ts', ROUTE)
  const { code, stdout, stderr } = await project.npm('start')
  if (code !== 0) throw new Error(`npm start ended with code ${code}:\n${stdout}\n${stderr}`)

  const url = `http://127.0.0.1:${project.env.PORT}`
  const sent: Record<string, number> = {}

  function notes(worker: string): Note[] {
    return linesOf(join(project.root, `notes-${worker}`)).map((line) => {
      const [what, n, pid, at] = line.split(' ')
      return { what: what as Note['what'], n: Number(n), pid: Number(pid), at: Number(at) }
    })
  }

  async function send(worker: string, count: number, ms: number): Promise<number[]> {
    const from = sent[worker] ?? 0
    sent[worker] = from + count
    const response = await fetch(`${url}/tasks/${worker}/${from}/${count}/${ms}`, { method: 'POST' })
    if (response.status !== 202) throw new Error(`answered ${response.status}: ${await response.text()}`)
    return ((await response.json()) as { numbers: number[] }).numbers
  }

  async function running(worker: string): Promise<number[]> {
    return (await project.pids())[worker] ?? []
  }

  return {
    ...project,
    url,
    stdout,
    notes,
    running,

    send,

    async sendUntil(worker, ms, isEnough) {
      while (!isEnough()) {
        await send(worker, 100, ms)
        const waiting = () => (sent[worker] ?? 0) - notes(worker).filter(({ what }) => what === 'begun').length
        await until(() => waiting() < 200, { what: 'messages to be handled', timeout: 60_000 })
      }
    },

    async settled(worker, timeout = 60_000) {
      const done = () => new Set(notes(worker).flatMap(({ what, n }) => (what === 'done' ? [n] : [])))
      const total = sent[worker] ?? 0
      await until(() => done().size === total, { what: `${total} messages to be handled`, timeout, interval: 50 })
      const begun = notes(worker).flatMap(({ what, n }) => (what === 'begun' ? [n] : []))
      return [...new Set(begun.filter((n, index) => begun.indexOf(n) !== index))]
    },

    logs(name) {
      const lines = linesOf(join(project.env.PM2_HOME as string, 'logs', `${name}-out.log`))
      return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    },

    runs(worker, count, timeout = 60_000) {
      return until(
        async () => {
          const pids = await running(worker)
          return pids.length === count ? pids : undefined
        },
        { what: `${count} instances of ${worker}`, timeout },
      )
    },
  }
}

// The last one may still be on its way.
function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}
