// What the autoscaler and everything else cost while there is nothing to do.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { startFlixTube } from '../../helpers/flixtube.ts'
import { processorMs, proportionalMb, residentMb } from '../measure.ts'
import { withTeardown } from '../teardown.ts'
import { verdict } from '../verdict.ts'
import { pidsOf, startProject, untilRunning } from './project.ts'

const SECONDS = Number(process.env.BENCH_SECONDS ?? 20)
const WORKERS = 20
/** Until what starts has started, and Node has compiled what then runs all day: it takes a minute at that pace. */
const SETTLE = 60_000
const APPS = ['front-door', 'broker', 'autoscaler']

/** Percent of one processor. */
export async function autoscalerCost(): Promise<void> {
  for (const [state, live] of [
    ['asleep', 0],
    ['with one idle instance each', 1],
  ] as const) {
    const shares = await withTeardown(async function measure(t) {
      const names = Array.from({ length: WORKERS }, (_, i) => `w${String(i + 1).padStart(2, '0')}`)
      const workers = Object.fromEntries(names.map((name) => [name, workerOf(name, live)]))
      const project = await startProject(t, workers, { MAX_INSTANCES: String(2 * WORKERS) })
      await untilRunning(project, names, live)
      await pause(SETTLE)
      return processorShares(await pidsOf(project, APPS))
    })
    const others = [...shares]
      .filter(([name]) => name !== 'autoscaler')
      .map(([name, share]) => `${name} ${percent(share)}`)
    const share = shares.get('autoscaler') as number
    verdict(`${WORKERS} workers ${state}: autoscaler ${percent(share)}`, share < 1, '< 1 %')
    console.log(`       beside it: ${others.join(', ')}`)
  }
}

/** The example application with no worker's process, all of it. */
export async function idleCost(): Promise<void> {
  const names = ['history', 'recommendations', 'thumbnail']
  await withTeardown(async function measure(t) {
    const flixtube = await startFlixTube(t, {
      env: { LOG_LEVEL: 'info' },
      files: Object.fromEntries(names.map((name) => [`workers/${name}.ts`, sleepy(`workers/${name}.ts`)])),
    })
    await untilRunning(flixtube, names, 0)
    await pause(SETTLE)
    const pids = await pidsOf(flixtube, APPS)
    const shares = await processorShares(pids)
    const rows = [...pids].map(([name, pid]) => {
      return { name, share: shares.get(name) as number, resident: residentMb(pid), own: proportionalMb(pid) }
    })
    const sum = (key: 'share' | 'resident' | 'own') => rows.reduce((total, row) => total + row[key], 0)
    const all = { name: 'all', share: sum('share'), resident: sum('resident'), own: sum('own') }
    for (const { name, share, resident, own } of [...rows, all]) {
      const memory = `${resident.toFixed(0).padStart(4)} MB resident, ${own.toFixed(0).padStart(4)} MB its part of them`
      console.log(`       ${name.padEnd(11)} ${percent(share).padStart(7)}   ${memory}`)
    }
  })
}

async function processorShares(pids: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  const before = new Map([...pids].map(([name, pid]) => [name, processorMs(pid)]))
  const start = performance.now()
  await pause(SECONDS * 1_000)
  const elapsed = performance.now() - start
  return new Map(
    [...pids].map(([name, pid]) => [name, ((processorMs(pid) - (before.get(name) as number)) / elapsed) * 100]),
  )
}

function workerOf(name: string, min: number): string {
  return `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export default defineWorker(defineQueue('${name}', { data: z.object({}) }), {
  scale: { min: ${min}, max: 2, cooldown: '500ms' },
  handler: async () => {},
})
`
}

/** The example's worker, but that it sleeps while it has nothing to do. */
function sleepy(file: string): string {
  const text = readFileSync(file, 'utf8')
  const own = /\n *scale: \{[^}]*\},/
  const changed = text.replace(own, '').replace(/defineWorker\(\w+, \{/, "$& scale: { min: 0, cooldown: '500ms' },")
  if (changed === text) throw new Error(`${file}: expected defineWorker(…, {`)
  return changed
}

function percent(share: number): string {
  return `${share.toFixed(2)} %`
}
