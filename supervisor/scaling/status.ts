import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessState } from '../base/state.ts'
import { table } from '../base/table.ts'
import { connectPm2, type Instance } from './pm2.ts'
import { COMPILER, expectedApps, ownInstances } from './project.ts'

/** How long a process has to say how it is; one that keeps its event loop busy longer shows no state. */
const ANSWER_MS = 1_000

const HEADINGS = ['name', 'id', 'pid', 'pm2', 'state', 'cpu', 'memory', 'uptime', 'restarts']

/** A table of the project's processes, and of what of it does not run; undefined if nothing does. */
export async function projectStatus(root: string): Promise<string | undefined> {
  const pm2 = await connectPm2({ launch: false })
  if (!pm2) return undefined
  try {
    const own = ownInstances(await pm2.list(), root)
    if (own.length === 0) return undefined
    const asked = own.filter((instance) => instance.status === 'online' && instance.name !== COMPILER)
    const states = new Map<number, ProcessState>()
    const answered = new EventTarget()
    await pm2.listen((event) => {
      if (event.kind !== 'state') return
      states.set(event.id, event.state)
      if (asked.every((instance) => states.has(instance.id))) answered.dispatchEvent(new Event('all'))
    })
    if (asked.length > 0) {
      const all = once(answered, 'all')
      for (const instance of asked) void pm2.askState(instance.id)
      await Promise.race([all, sleep(ANSWER_MS)])
    }
    const missing = expectedApps(root).filter((name) => !own.some((instance) => instance.name === name))
    const rows = own.map((instance) => row(instance, states.get(instance.id)))
    return table([HEADINGS, ...rows, ...missing.map((name) => [name, '-', '-', 'missing', '`npm start` starts it'])])
  } finally {
    await pm2.disconnect()
  }
}

function row(instance: Instance, state: ProcessState | undefined): string[] {
  const online = instance.status === 'online'
  const idle = instance.name === COMPILER && !online
  return [
    instance.name,
    String(instance.id),
    online ? String(instance.pid) : '-',
    idle ? 'idle' : instance.status,
    state ? state.status + (state.reason ? `: ${state.reason}` : '') : '-',
    `${instance.cpu}%`,
    `${Math.round(instance.memory / 1_048_576)} MB`,
    online ? age(Date.now() - instance.startedAt) : '-',
    String(instance.restarts),
  ]
}

function age(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1_000)}s`
  if (minutes < 60) return `${minutes}m`
  return minutes < 1_440 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1_440)}d`
}
