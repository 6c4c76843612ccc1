import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../base/config.ts'
import { connectPm2, type Instance, isAlive, type Pm2 } from './pm2.ts'
import { refuseStart } from './precheck.ts'
import { securePm2Home, secureProject } from './privacy.ts'
import { AUTOSCALER, ownInstances, readEcosystem } from './project.ts'
import { trackReadiness } from './readiness.ts'
import { carryOut } from './rollout.ts'
import { changesOf, planStart, type StartPlan } from './start-plan.ts'

export interface StartOptions {
  root: string
  dev: boolean
  timeoutMs: number
  config: Pick<Config, 'host' | 'port' | 'brokerPort' | 'maxInstances' | 'dataDir'>
  /** Whether the autoscaler has stopped a worker, to wake it when it is needed. */
  isAsleep(name: string): boolean
  /** Notes that the autoscaler is to wake it. */
  noteAsleep(name: string): void
  /** The workers with `min: 0`. */
  canSleep(): Promise<ReadonlySet<string>>
  print(line: string): void
}

export interface StartResult {
  /** Whether there was anything to do. */
  changed: boolean
}

/**
 * Starts the project's apps in pm2 and waits until all are ready. Apps that run already and would be started with the
 * same code and environment are left alone. What can be found out before anything is stopped is; of the changed apps
 * one worker is restarted alone, so that a mistake stops that one and spares the others.
 * @throws StartupError; what was not running before is ended then
 */
export async function startProject(options: StartOptions): Promise<StartResult> {
  const { root, dev, print, config } = options
  securePm2Home(print)
  secureProject(root, config.dataDir, print)
  const apps = readEcosystem(root)
  const pm2 = await connectPm2({ launch: true })
  const readiness = trackReadiness({
    print,
    exitsAreFine: dev,
    isAsleep: options.isAsleep,
    caughtUp: pm2.caughtUp,
  })
  const interrupt = () => readiness.abort('Interrupted.')
  const started = new Set<string>()
  let plan: StartPlan | undefined
  /** Whether anything was done, so that there is something to undo. */
  let isUnderWay = false
  try {
    const all = await pm2.list()
    plan = planStart(apps, all, options)
    await refuseStart(plan, ownInstances(all, root), options)
    process.once('SIGINT', interrupt)
    process.once('SIGTERM', interrupt)
    await pm2.listen(readiness.onEvent)
    isUnderWay = true
    await carryOut(plan, { pm2, readiness, started, ...options })
    return { changed: plan.scaler !== undefined || changesOf(plan) > 0 }
  } catch (error) {
    await undo(pm2, root, started)
    // What is not started now goes on being scaled.
    const { app, instances } = plan?.scaler ?? {}
    const [before] = instances ?? []
    if (isUnderWay && app && before) await pm2.start([{ ...app, env: { ...before.env } }]).catch(() => {})
    throw error
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await pm2.disconnect()
  }
}

/** Ends what was started, and the daemon if nothing else runs in it. */
async function undo(pm2: Pm2, root: string, started: ReadonlySet<string>): Promise<void> {
  const left = async () => ownInstances(await pm2.list(), root).filter((instance) => started.has(instance.name))
  // Again and again: pm2 brings back what it is told to end before it has noted that it was ready.
  for (let own = await left(); own.length > 0; own = await left()) {
    for (const { id } of own.filter(({ name }) => name === AUTOSCALER)) await pm2.remove(id)
    await Promise.all(own.map((instance) => pm2.remove(instance.id)))
    while (own.some((instance: Instance) => isAlive(instance.pid))) await sleep(20)
  }
  if ((await pm2.list()).length === 0) await pm2.kill()
}
