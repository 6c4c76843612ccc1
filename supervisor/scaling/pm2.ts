import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { environmentOf } from '../base/app-env.ts'
import { reasonOf } from '../base/errors.ts'
import { withLock } from '../base/lock.ts'
import { type ProcessState, QUIET_TOPIC, STATE_TOPIC } from '../base/state.ts'
import { pm2Home } from './privacy.ts'

/** How long a daemon that has been told to end is waited for. */
const DAEMON_END_MS = 5_000

/** One process as pm2 lists it. */
export interface Instance {
  /** pm2's number for it; stays the same over restarts. */
  id: number
  name: string
  namespace: string
  /** The folder it was started from. */
  folder: string
  pid: number
  /** pm2's word: online, launching, stopping, stopped, errored, waiting restart. */
  status: string
  /** When its process started, in milliseconds since 1970. */
  startedAt: number
  restarts: number
  cpu: number
  memory: number
  env: Record<string, string | undefined>
  logFiles: string[]
}

/** What pm2 tells of a process of ours. */
export type Pm2Event =
  | { kind: 'state'; id: number; name: string; state: ProcessState }
  /** `startedAt` is when the process that ended had started, in milliseconds since 1970. */
  | { kind: 'exit'; id: number; name: string; code: number; startedAt: number }
  /** Something about it may be different in the next list. */
  | { kind: 'change'; id: number; name: string }
  /** Somebody has told pm2 to stop it, even if it did not run; not `sleep`. */
  | { kind: 'stop'; id: number; name: string }
  | { kind: 'log'; id: number; name: string; stream: 'out' | 'err'; text: string }

export interface Pm2 {
  list(): Promise<Instance[]>
  /** Starts apps as the ecosystem file describes them; resolves when pm2 has done so, ready or not. */
  start(apps: readonly App[]): Promise<void>
  /** Starts one more instance of an app, by the one that is there; resolves when it is ready, or has not become so in time. */
  add(name: string, instances: number): Promise<void>
  /** Starts an instance that `sleep` has stopped; resolves as `add` does. */
  wake(id: number): Promise<void>
  /** Stops a process, waits until it has ended, and keeps it to be started again. */
  sleep(id: number): Promise<void>
  /** Tells a process to take no more messages; its state says when it has none left. */
  quiet(id: number): Promise<void>
  /** Stops a process, waits until it has ended, and forgets it; one that is gone already is fine. */
  remove(id: number): Promise<void>
  /** Passes on what happens from now on. */
  listen(onEvent: (event: Pm2Event) => void): Promise<void>
  /** Resolves when everything that pm2 knew when this was called has been passed on, output of ended processes included. */
  caughtUp(): Promise<void>
  /** Asks a process for its state, which comes as an event. */
  askState(id: number): Promise<void>
  /** Ends the daemon and whatever runs in it; resolves when its process has ended. */
  kill(): Promise<void>
  disconnect(): Promise<void>
}

/** An entry of the ecosystem file. */
export interface App {
  name: string
  namespace: string
  autorestart?: boolean
  script: string
  instances: number
  args?: string[]
  [option: string]: unknown
}

/**
 * Connects to the pm2 daemon of PM2_HOME.
 * @param options.launch start one if none runs; otherwise the result is undefined then
 */
export async function connectPm2(options: { launch: true }): Promise<Pm2>
export async function connectPm2(options: { launch: false }): Promise<Pm2 | undefined>
export async function connectPm2({ launch }: { launch: boolean }): Promise<Pm2 | undefined> {
  // All apps of a start come up together. pm2's default of two at a time would have the third wait while the first
  // two wait for a broker.
  process.env.PM2_CONCURRENT_ACTIONS ??= '32'
  if (!launch && !existsSync(pm2Home())) return undefined
  // Imported here, because the import alone creates PM2_HOME.
  const { default: pm2 } = (await import('pm2')) as unknown as { default: Pm2Module }
  const call = <T>(method: keyof Pm2Module) =>
    promisify(pm2[method] as never).bind(pm2) as (...args: unknown[]) => Promise<T>
  // A process that has just ended can't take it, which its exit tells better than an error here.
  const tell = (id: number, topic: string) =>
    call<void>('sendDataToProcessId')(id, { type: topic, topic, data: {} }).catch(() => {})

  if (!launch && !(await new Promise<boolean>((resolve) => pm2.Client.pingDaemon(resolve)))) return undefined
  // Two clients that each start a daemon leave one of them waiting for ever for the daemon that lost.
  if (launch) await withLock(join(pm2Home(), 'warren.lock'), () => withoutSecrets(() => call('connect')()))
  else await call('connect')()

  return {
    async list() {
      return (await call<Raw[]>('list')()).map(instanceOf)
    },
    async start(apps) {
      // pm2 writes into what it is given.
      await call('start')({ apps: structuredClone(apps) })
    },
    async add(name, instances) {
      await call('scale')(name, instances + 1)
    },
    async wake(id) {
      await call('restart')(id)
    },
    async sleep(id) {
      // Not pm2's own `stop`, which tells everybody of it as if somebody had done so by hand.
      const stop = (done: (error: unknown) => void) => pm2.Client.executeRemote('stopProcessId', id, done)
      await promisify(stop)()
    },
    quiet: (id) => tell(id, QUIET_TOPIC),
    async remove(id) {
      await call('delete')(id).catch((error: unknown) => {
        if (!/not found|unknown/i.test(reasonOf(error))) throw error
      })
    },
    async listen(onEvent) {
      const bus = await call<BusEmitter>('launchBus')()
      bus.on(STATE_TOPIC, ({ process: { pm_id: id, name }, data }) =>
        onEvent({ kind: 'state', id, name, state: data as ProcessState }),
      )
      bus.on('process:event', ({ event, process: { pm_id: id, name, exit_code: code, pm_uptime } }) => {
        if (event === 'exit') onEvent({ kind: 'exit', id, name, code: code ?? 0, startedAt: pm_uptime ?? 0 })
        if (event === 'stop') onEvent({ kind: 'stop', id, name })
        onEvent({ kind: 'change', id, name })
      })
      for (const stream of ['out', 'err'] as const) {
        bus.on(`log:${stream}`, ({ process: { pm_id: id, name }, data }) =>
          onEvent({ kind: 'log', id, name, stream, text: String(data) }),
        )
      }
    },
    async caughtUp() {
      const ping = promisify((done: (error: unknown) => void) => pm2.Client.executeRemote('ping', {}, done))
      // By the second answer the daemon has read what was there at the first one, and told of it on the bus. That is a
      // socket of its own, which may be read after the answer, within the same turn.
      await ping()
      await ping()
      await turn()
    },
    askState: (id) => tell(id, STATE_TOPIC),
    async kill() {
      const file = join(pm2Home(), 'pm2.pid')
      const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
      await call('killDaemon')()
      // It answers a moment before it ends, and the next start should not meet it in between.
      for (let waited = 0; isAlive(pid) && waited < DAEMON_END_MS; waited += 10) await sleep(10)
    },
    async disconnect() {
      await call('disconnect')().catch(() => {})
    },
  }
}

/** Whether a process of that id is there; pm2 gives 0 for what does not run. */
export function isAlive(pid: number): boolean {
  if (!pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

// A daemon keeps the environment of whoever starts it for as long as it lives, and has no use for keys and URLs.
async function withoutSecrets<T>(action: () => Promise<T>): Promise<T> {
  const whole = { ...process.env }
  const kept = environmentOf('daemon', whole)
  for (const name of Object.keys(whole)) if (!Object.hasOwn(kept, name)) delete process.env[name]
  try {
    return await action()
  } finally {
    Object.assign(process.env, whole)
  }
}

interface Raw {
  pid: number
  pm_id: number
  name: string
  monit?: { cpu: number; memory: number }
  pm2_env: {
    namespace: string
    pm_cwd: string
    status: string
    pm_uptime: number
    restart_time: number
    env: Record<string, string>
    pm_out_log_path: string
    pm_err_log_path: string
  }
}

// What is missing from pm2's own types, or wrong there.
interface Pm2Module
  extends Record<'connect' | 'list' | 'start' | 'scale' | 'restart' | 'stop' | 'delete' | 'launchBus', unknown> {
  sendDataToProcessId: unknown
  killDaemon: unknown
  disconnect: unknown
  Client: {
    pingDaemon(callback: (alive: boolean) => void): void
    executeRemote(method: string, argument: unknown, callback: (error: unknown) => void): void
  }
}

interface BusEmitter {
  on(
    topic: string,
    listener: (packet: {
      process: { pm_id: number; name: string; exit_code?: number; pm_uptime?: number }
      event?: string
      data?: unknown
    }) => void,
  ): void
}

function instanceOf({ pid, pm_id, name, monit, pm2_env: env }: Raw): Instance {
  return {
    id: pm_id,
    name,
    namespace: env.namespace,
    folder: env.pm_cwd,
    pid,
    status: env.status,
    startedAt: env.pm_uptime,
    restarts: env.restart_time,
    cpu: monit?.cpu ?? 0,
    memory: monit?.memory ?? 0,
    env: env.env,
    logFiles: [env.pm_out_log_path, env.pm_err_log_path],
  }
}
