import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createProject, type TestProject } from './project.ts'
import { until } from './until.ts'

/** A pm2 with processes of its own that runs the project: what another machine would be. */
export interface TestMachine extends TestProject {
  readonly name: string
  /** Its processes of the worker, those that are about to end included. */
  instances(): Promise<number>
  /** `npm start`. */
  start(): Promise<void>
  /** Ends pm2's daemon and everything that runs in it, at once and without a chance to tidy up. */
  crash(): Promise<void>
  /** What its autoscaler has logged so far. */
  decisions(): Decision[]
}

interface Decision {
  msg: string
  time: number
  worker?: string
  from?: number
  to?: number
  reason?: string
}

export interface MachineOptions {
  name: string
  urls: readonly string[]
  /** The one worker's name and file; the same on each machine. */
  worker: string
  source: string
}

/** Makes a machine that runs one worker; what it runs ends with the test. */
export async function createMachine(t: Test, { name, urls, worker, source }: MachineOptions): Promise<TestMachine> {
  const project = await createProject(t, {}, { real: true })
  for (const folder of ['workers', 'routes']) rmSync(join(project.root, folder), { recursive: true })
  project.write(`workers/${worker}.ts`, source)
  // The same on both, so that the machine's number of cores plays no part.
  Object.assign(project.env, { AMQP_URL: urls.join(), SHUTDOWN_TIMEOUT: '10s', MAX_INSTANCES: '16', MACHINE: name })

  return {
    ...project,
    name,
    async instances() {
      return (await project.pids())[worker]?.length ?? 0
    },
    async start() {
      const { code, stdout, stderr } = await project.npm('start')
      if (code !== 0) throw new Error(`npm start ended with code ${code}:\n${stdout}\n${stderr}`)
    },
    async crash() {
      const daemon = Number(readFileSync(join(project.env.PM2_HOME as string, 'pm2.pid'), 'utf8'))
      // The daemon last: at its end the others would stop in good order, and it starts nothing anew within so short a time.
      for (const pid of [...project.processes().filter((one) => one !== daemon), daemon]) kill(pid)
      await until(() => project.processes().map(kill).length === 0, { what: 'all of its processes to have ended' })
    },
    decisions() {
      const file = join(project.env.PM2_HOME as string, 'logs', 'autoscaler-out.log')
      // The last line may still be on its way.
      const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
      return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Decision] : []))
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
