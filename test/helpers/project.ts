import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { guardProcesses, processesWith } from './own-processes.ts'
import { freePort } from './ports.ts'
import { ENV, withoutTap } from './process.ts'
import { seedBuild } from './seed.ts'
import type { Teardown } from './tmp.ts'

/** The repository, seen from dist/test/helpers/. */
const REPOSITORY = resolve(import.meta.dirname, '../../..')

/** What every project has of this repository. */
const SHARED = ['supervisor', 'ecosystem.config.cjs', 'tsconfig.json', 'package.json']

/** What the stub processes do without. */
const UNUSED = /supervisor\/(execution|thread\.ts|sandbox\.ts)/

export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** What pm2 lists of one process, as far as tests look at it. */
export interface Listed {
  name: string
  pid: number
  id: number
  status: string
  folder: string
  restarts: number
  /** When pm2 has started its process, in milliseconds since 1970. */
  startedAt: number
}

export interface TestProject {
  root: string
  env: NodeJS.ProcessEnv
  /** Writes a file of the project. */
  write(file: string, text: string): void
  remove(file: string): void
  /** Runs an npm script's commands, `npm start` for example, without npm. */
  npm(script: string, args?: string[], env?: NodeJS.ProcessEnv): Promise<Run>
  /** The same, not waited for. */
  spawn(script: string, args?: string[], env?: NodeJS.ProcessEnv): ChildProcess
  pm2(...args: string[]): Promise<Run>
  list(): Promise<Listed[]>
  /** The pids by name. */
  pids(): Promise<Record<string, number[]>>
  /** Every process that was started with this project's PM2_HOME and lives, pm2's daemon included. Linux only. */
  processes(): number[]
}

export interface ProjectOptions {
  /** Another project's PM2_HOME, to share its daemon. */
  home?: string
  /** With the real processes, and this repository's workers and routes, instead of stubs. */
  real?: boolean
}

/**
 * A worker's file for the stub entry, which runs `start` instead of connecting to a broker.
 * @param body of `start({ report, log, fail })`, which returns what runs at the stop
 */
export function stubWorker(queue: string, body: string, head = ''): string {
  return `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'
import type { ProcessContext, Service } from '../supervisor/process/main.ts'
${head}
export default defineWorker(defineQueue('${queue}', { data: z.object({}) }), { handler: async () => {} })

export async function start({ report, log, fail }: ProcessContext): Promise<Service> {
  const timer = setInterval(() => {}, 1_000)
  void log; void fail; void report
  const stop: () => Promise<void> = await (async () => { ${body} })()
  return { async stop() { await stop(); clearInterval(timer) } }
}
`
}

/** One that becomes ready at once. */
export function readyWorker(queue: string, head = ''): string {
  return stubWorker(queue, "await report.set({ status: 'ready' }); return async () => {}", head)
}

/**
 * A project in a temporary folder with this repository's supervisor/ and ecosystem file, stub processes that need no
 * broker, and a pm2 daemon of its own. All of it ends with the test, or when the test's process is killed; a process
 * that outlives its daemon fails the test.
 */
export async function createProject(
  t: Teardown,
  workers: Record<string, string> = {},
  { home, real = false }: ProjectOptions = {},
): Promise<TestProject> {
  // pm2's sockets live in PM2_HOME, and a socket's path has room for about a hundred characters.
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'w-')))
  const root = join(base, 'project')
  mkdirSync(join(root, 'workers'), { recursive: true })
  for (const file of [...SHARED, ...(real ? ['workers', 'routes'] : [])]) {
    cpSync(join(REPOSITORY, file), join(root, file), { recursive: true, filter: (path) => real || !UNUSED.test(path) })
  }
  symlinkSync(realpathSync(join(REPOSITORY, 'node_modules')), join(root, 'node_modules'))
  for (const entry of real ? [] : ['worker.ts', 'front-door.ts', 'autoscaler.ts']) {
    const stub = readFileSync(join(REPOSITORY, 'test/fixtures/stub', entry), 'utf8')
    writeFileSync(join(root, 'supervisor', entry), stub.replaceAll('../../../supervisor/', './'))
  }
  seedBuild(root, real ? 'real' : 'stubs')

  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PM2_HOME: home ?? join(base, 'pm2'),
    PORT: String(await freePort()),
    BROKER_PORT: String(await freePort()),
    AMQP_URL: 'amqp://guest:secret@localhost:5672',
    SHUTDOWN_TIMEOUT: '2s',
  }
  const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
    .scripts
  const pm2Bin = join(root, 'node_modules/pm2/bin/pm2')

  const project: TestProject = {
    root,
    env,
    write(file, text) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), text)
    },
    remove(file) {
      rmSync(join(root, file))
    },
    spawn(script, args = [], extra = {}) {
      const command = ['sh', '-c', `${scripts[script]} "$@"`, 'sh', ...args]
      return spawn(ENV, [...withoutTap({ ...env, ...extra }), ...command], { cwd: root, env: { ...env, ...extra } })
    },
    async npm(script, args, extra) {
      return outputOf(project.spawn(script, args, extra))
    },
    pm2(...args) {
      return new Promise((done) => {
        const command = [process.execPath, pm2Bin, ...args]
        execFile(ENV, [...withoutTap(env), ...command], { cwd: root, env }, (error, stdout, stderr) =>
          done({ code: error ? Number(error.code) : 0, stdout, stderr }),
        )
      })
    },
    async list() {
      const { stdout } = await project.pm2('jlist', '--silent')
      const json = stdout.slice(stdout.indexOf('['))
      return (JSON.parse(json) as RawListed[]).map(({ name, pid, pm_id: id, pm2_env: e }) => ({
        name,
        pid,
        id,
        status: e.status,
        folder: e.pm_cwd,
        restarts: e.restart_time,
        startedAt: e.pm_uptime,
      }))
    },
    async pids() {
      // pm2's own pid files: its command line takes half a second of a core, and tests ask often.
      const folder = join(env.PM2_HOME as string, 'pids')
      const byName: Record<string, number[]> = {}
      for (const file of existsSync(folder) ? readdirSync(folder) : []) {
        const name = /^(.+)-\d+\.pid$/.exec(file)?.[1]
        const pid = pidOf(join(folder, file))
        if (name && pid && isAlive(pid)) byName[name] = [...(byName[name] ?? []), pid].sort()
      }
      return byName
    },
    processes() {
      return processesWith(`PM2_HOME=${env.PM2_HOME}`)
    },
  }
  for (const [name, text] of Object.entries(workers)) project.write(`workers/${name}.ts`, text)

  if (home !== undefined) {
    t.teardown(() => rmSync(base, { recursive: true, force: true }))
    return project
  }
  const release = guardProcesses(`PM2_HOME=${env.PM2_HOME}`, base)
  t.teardown(async () => {
    await project.pm2('kill')
    const left = await release()
    if (left.length > 0) throw new Error(`The test left processes running: ${left.join('; ')}`)
  })
  return project
}

interface RawListed {
  name: string
  pid: number
  pm_id: number
  pm2_env: { status: string; pm_cwd: string; restart_time: number; pm_uptime: number }
}

function pidOf(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    // pm2 has removed it meanwhile: the process has ended.
    return 0
  }
}

/** What a process writes, and its exit code. */
export async function outputOf(child: ChildProcess): Promise<Run> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until something becomes true. @param ms how long at most */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
