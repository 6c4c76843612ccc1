import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../base/errors.ts'
import { type App, connectPm2, type Instance, isAlive, type Pm2 } from './pm2.ts'
import { AUTOSCALER, BROKER, COMPILER, isUpToDate, ownInstances, readEcosystem } from './project.ts'
import { type Readiness, trackReadiness } from './readiness.ts'

export interface StartOptions {
  root: string
  dev: boolean
  timeoutMs: number
  /** The files that an app's process loads: when one is newer than the process, the app is restarted. */
  filesOf(app: App): Iterable<string>
  /** Whether the autoscaler has stopped a worker, to wake it when it is needed. */
  isAsleep(name: string): boolean
  print(line: string): void
}

export interface StartResult {
  /** Whether there was anything to do. */
  changed: boolean
  /** The workers' names. */
  workers: string[]
}

/** What a start has to do about each app. */
interface Plan {
  fresh: App[]
  /** With the instances that run now. */
  outdated: { app: App; instances: Instance[] }[]
  untouched: { app: App; instances: Instance[] }[]
  /** Apps whose worker's file is gone. */
  gone: Instance[]
  /** The embedded broker, where AMQP_URL has come to name another one. */
  replaced: Instance[]
  /** The autoscaler, where anything is done: it ends first, and is started last. */
  scaler: { app: App; instances: Instance[] } | undefined
}

/**
 * Starts the project's apps in pm2 and waits until all are ready. Apps that run already and have not changed are left
 * alone; changed ones are restarted one after the other, so that a mistake stops the first and spares the others.
 * @throws StartupError; what was not running before is ended then
 */
export async function startProject(options: StartOptions): Promise<StartResult> {
  const { root, dev, print } = options
  const apps = readEcosystem(root)
  const pm2 = await connectPm2({ launch: true })
  const readiness = trackReadiness(print, dev, options.isAsleep)
  const interrupt = () => readiness.abort('Interrupted.')
  const started = new Set<string>()
  let plan: Plan | undefined
  try {
    const all = await pm2.list()
    plan = planStart(apps, all, options)
    process.once('SIGINT', interrupt)
    process.once('SIGTERM', interrupt)
    await pm2.listen(readiness.onEvent)
    await carryOut(plan, pm2, readiness, started, options)
    return {
      changed: plan.scaler !== undefined || changesOf(plan) > 0,
      workers: apps.flatMap((app) => (app.args ? app.name : [])),
    }
  } catch (error) {
    await undo(pm2, root, started)
    // What is not started now goes on being scaled.
    const { app, instances } = plan?.scaler ?? {}
    if (app && instances && instances.length > 0) await pm2.start([app]).catch(() => {})
    throw error
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await pm2.disconnect()
  }
}

function planStart(apps: readonly App[], all: readonly Instance[], options: StartOptions): Plan {
  const { root, filesOf } = options
  const own = ownInstances(all, root)
  const names = new Set(apps.map((app) => app.name))
  const foreign = all.filter((instance) => names.has(instance.name) && !own.includes(instance))
  if (foreign.length > 0) {
    const list = [...new Set(foreign.map((f) => `'${f.name}', started from ${f.folder}`))].join('; ')
    throw new StartupError(
      'WARREN_NAME_TAKEN',
      `pm2 already runs apps of the same names: ${list}. Run \`npm stop\` there, rename the worker, or set PM2_HOME ` +
        'to another folder for a pm2 of its own.',
    )
  }

  const left = own.filter((instance) => !names.has(instance.name))
  const plan: Plan = {
    fresh: [],
    outdated: [],
    untouched: [],
    gone: left.filter((instance) => instance.name !== BROKER),
    replaced: left.filter((instance) => instance.name === BROKER),
    scaler: undefined,
  }
  for (const app of apps) {
    const instances = own.filter((instance) => instance.name === app.name)
    if (instances.length === 0) plan.fresh.push(app)
    else if (staying(instances).every((i) => isUpToDate(i, filesOf(app), options))) {
      plan.untouched.push({ app, instances })
    } else plan.outdated.push({ app, instances })
  }
  return withScalerAside(plan)
}

// Beside those that run, one that is stopping or starting is the autoscaler's doing, or that of somebody who scales.
function staying(instances: readonly Instance[]): readonly Instance[] {
  const online = instances.filter(({ status }) => status === 'online')
  const changing = instances.filter(({ status }) => status === 'stopping' || status === 'launching')
  return online.length > 0 ? instances.filter((instance) => !changing.includes(instance)) : instances
}

// It would bring back what is being ended, by what it was started from.
function withScalerAside(plan: Plan): Plan {
  const running = [...plan.outdated, ...plan.untouched].find(({ app }) => app.name === AUTOSCALER)
  const fresh = plan.fresh.find(({ name }) => name === AUTOSCALER)
  if (changesOf(plan) === 0) return plan
  const others = ({ app }: { app: App }) => app.name !== AUTOSCALER
  return {
    ...plan,
    fresh: plan.fresh.filter((app) => app !== fresh),
    outdated: plan.outdated.filter(others),
    untouched: plan.untouched.filter(others),
    scaler: fresh ? { app: fresh, instances: [] } : running,
  }
}

function changesOf({ fresh, outdated, gone, replaced }: Plan): number {
  return fresh.length + outdated.length + gone.length + replaced.length
}

async function carryOut(
  plan: Plan,
  pm2: Pm2,
  readiness: Readiness,
  started: Set<string>,
  { timeoutMs, print }: StartOptions,
): Promise<void> {
  const { scaler } = plan
  for (const { id } of scaler?.instances ?? []) await pm2.remove(id)
  if (plan.gone.length > 0) {
    const files = plan.gone.filter((instance) => instance.name !== COMPILER)
    if (files.length > 0) print(`removing ${namesOf(files)}: no longer part of the project`)
    if (files.length < plan.gone.length) print('ending live reload')
    await Promise.all(plan.gone.map((instance) => pm2.remove(instance.id)))
  }

  const fresh = [...plan.fresh, ...(scaler?.instances.length === 0 ? [scaler.app] : [])]
  if (fresh.length > 0) print(`starting ${fresh.map((app) => app.name).join(', ')}`)
  for (const app of fresh) started.add(app.name)
  if (plan.fresh.length > 0) await launch(plan.fresh)
  for (const { app, instances } of plan.outdated) {
    print(`restarting ${app.name}: its code or its environment has changed, or it was down`)
    await Promise.all(instances.map((instance) => pm2.remove(instance.id)))
    // However many somebody has asked pm2 for: a second broker is one that could not start.
    const running = instances.filter(({ status }) => status !== 'stopped').length
    await launch([{ ...app, instances: app.name === BROKER ? app.instances : Math.max(running, 1) }])
  }
  // They may run and still wait for the broker.
  const running = plan.untouched.filter(({ app }) => app.name !== COMPILER)
  const expected = running.map(({ app, instances }) => [app.name, expectedOf(instances)] as const)
  const ready = readiness.until(new Map(expected), timeoutMs)
  for (const { instances } of running) for (const instance of instances) void pm2.askState(instance.id)
  await ready

  if (plan.replaced.length > 0) {
    // Last: until they are restarted, the others finish on it what they are at.
    print('removing broker: AMQP_URL names another one')
    await Promise.all(plan.replaced.map((instance) => pm2.remove(instance.id)))
  }

  if (scaler) await launch([scaler.app])

  // The autoscaler may be about to end one, or to start one: what counts is that somebody is there.
  function expectedOf(instances: readonly Instance[]): number {
    return instances.some(({ status }) => status === 'online') ? 1 : 0
  }

  async function launch(apps: App[]): Promise<void> {
    const expected = apps.filter((app) => app.name !== COMPILER).map((app) => [app.name, app.instances] as const)
    const ready = readiness.until(new Map(expected), timeoutMs, Date.now())
    const launched = pm2.start(apps)
    try {
      await Promise.race([ready, launched.then(() => ready)])
    } catch (error) {
      await remove(new Set(apps.map((app) => app.name)))
      // pm2 starts an app's instances one by one: the next of them may have come meanwhile.
      await launched.catch(() => {})
      throw error
    }
    await launched
  }

  async function remove(names: ReadonlySet<string>): Promise<void> {
    const instances = (await pm2.list()).filter((instance) => names.has(instance.name))
    await Promise.all(instances.map((instance) => pm2.remove(instance.id)))
  }
}

/** Ends what was started, and the daemon if nothing else runs in it. */
async function undo(pm2: Pm2, root: string, started: ReadonlySet<string>): Promise<void> {
  const left = async () => ownInstances(await pm2.list(), root).filter((instance) => started.has(instance.name))
  // Again and again: pm2 brings back what it is told to end before it has noted that it was ready.
  for (let own = await left(); own.length > 0; own = await left()) {
    for (const { id } of own.filter(({ name }) => name === AUTOSCALER)) await pm2.remove(id)
    await Promise.all(own.map((instance) => pm2.remove(instance.id)))
    while (own.some((instance) => isAlive(instance.pid))) await sleep(20)
  }
  if ((await pm2.list()).length === 0) await pm2.kill()
}

function namesOf(instances: readonly Instance[]): string {
  return [...new Set(instances.map((instance) => instance.name))].join(', ')
}
