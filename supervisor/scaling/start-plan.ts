import { StartupError } from '../base/errors.ts'
import { createOutdated, type OutdatedOptions } from './outdated.ts'
import type { App, Instance } from './pm2.ts'
import { AUTOSCALER, BROKER, ownInstances } from './project.ts'

/** An app with the instances of it that run now. */
export interface Present {
  readonly app: App
  readonly instances: Instance[]
}

/** One that has to be restarted. */
export interface Outdated extends Present {
  /** Why, as the end of a sentence. */
  readonly why: string
  /** The autoscaler has put it to sleep, where it is to be again. */
  readonly isAsleep: boolean
}

/** What a start has to do about each app. */
export interface StartPlan {
  readonly fresh: App[]
  readonly outdated: Outdated[]
  readonly untouched: Present[]
  /** Apps whose worker's file is gone. */
  readonly gone: Instance[]
  /** The embedded broker, where AMQP_URL has come to name another one. */
  readonly replaced: Instance[]
  /** The autoscaler, where anything is done: it ends first, and is started last. */
  readonly scaler: (Present & { readonly why?: string }) | undefined
}

/** @throws StartupError where pm2 runs another project's app of one of the names */
export function planStart(apps: readonly App[], all: readonly Instance[], options: OutdatedOptions): StartPlan {
  const own = ownInstances(all, options.root)
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
  const plan: StartPlan = {
    fresh: [],
    outdated: [],
    untouched: [],
    gone: left.filter((instance) => instance.name !== BROKER),
    replaced: left.filter((instance) => instance.name === BROKER),
    scaler: undefined,
  }
  const whyOutdated = createOutdated(apps, options)
  for (const app of apps) {
    const instances = own.filter((instance) => instance.name === app.name)
    const why = instances.length > 0 ? whyOutdated(app, staying(instances)) : undefined
    if (instances.length === 0) plan.fresh.push(app)
    else if (why === undefined) plan.untouched.push({ app, instances })
    else {
      const isAsleep = options.isAsleep(app.name) && instances.every(({ status }) => status === 'stopped')
      plan.outdated.push({ app, instances, why, isAsleep })
    }
  }
  return withScalerAside(plan)
}

/** How many apps a plan does something about, the autoscaler aside. */
export function changesOf({ fresh, outdated, gone, replaced }: StartPlan): number {
  return fresh.length + outdated.length + gone.length + replaced.length
}

/**
 * In which order outdated apps are restarted, each group together: the broker, which the others wait for; one worker
 * alone, so that a mistake that they share stops no more than that one; the other workers; the front door last, so that
 * what it sends is understood. Those that sleep come on their own, as they are started for a moment only.
 * @param size how many apps a group has at most
 * @param spare how many workers that sleep may be started at once
 */
export function groupsOf(outdated: readonly Outdated[], size: number, spare: number): Outdated[][] {
  const isWorker = ({ app }: Outdated) => app.args !== undefined
  const workers = outdated.filter((one) => isWorker(one) && !one.isAsleep)
  const asleep = outdated.filter((one) => isWorker(one) && one.isAsleep)
  const groups = [
    outdated.filter(({ app }) => app.name === BROKER),
    workers.slice(0, 1),
    ...inPieces(workers.slice(1), size),
    ...inPieces(asleep, Math.max(1, Math.min(size, spare))),
    outdated.filter((one) => !isWorker(one) && one.app.name !== BROKER),
  ]
  return groups.filter((group) => group.length > 0)
}

/**
 * How apps that do not run yet are started: together, as long as the machine may have that many workers. Otherwise those
 * that may sleep come in waves, each to sleep again before the next: their queues are there then, and wake them.
 * @param canSleep the workers with `min: 0`
 * @param awake how many workers run already
 * @param ceiling how many may run on this machine
 */
export function wavesOf(
  fresh: readonly App[],
  canSleep: ReadonlySet<string>,
  awake: number,
  ceiling: number,
): { together: App[]; waves: App[][] } {
  const workers = fresh.filter((app) => app.args !== undefined)
  if (awake + workers.length <= ceiling) return { together: [...fresh], waves: [] }
  const sleepers = workers.filter(({ name }) => canSleep.has(name))
  const spare = ceiling - awake - (workers.length - sleepers.length)
  return {
    together: fresh.filter((app) => !sleepers.includes(app)),
    waves: inPieces(sleepers, Math.max(1, spare)),
  }
}

function inPieces<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size))
}

// Beside those that run, one that is stopping or starting is the autoscaler's doing, or that of somebody who scales.
function staying(instances: readonly Instance[]): readonly Instance[] {
  const online = instances.filter(({ status }) => status === 'online')
  const changing = instances.filter(({ status }) => status === 'stopping' || status === 'launching')
  return online.length > 0 ? instances.filter((instance) => !changing.includes(instance)) : instances
}

// It would bring back what is being ended, by what it was started from.
function withScalerAside(plan: StartPlan): StartPlan {
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
