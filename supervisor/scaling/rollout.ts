import { StartupError } from '../base/errors.ts'
import type { App, Instance, Pm2 } from './pm2.ts'
import { BROKER, COMPILER } from './project.ts'
import type { Readiness } from './readiness.ts'
import type { StartOptions } from './start.ts'
import { groupsOf, type Outdated, type StartPlan, wavesOf } from './start-plan.ts'

/** How many apps are restarted at a time, after the first one alone. */
const GROUP = 16

export interface Rollout extends StartOptions {
  pm2: Pm2
  readiness: Readiness
  /** Gets the names of the apps that did not run before. */
  started: Set<string>
}

/** Does what a plan says, and waits until everything is ready. @throws StartupError */
export async function carryOut(plan: StartPlan, rollout: Rollout): Promise<void> {
  const { pm2, readiness, started, timeoutMs, print, config } = rollout
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
  const awake = [...plan.outdated, ...plan.untouched].flatMap(({ app, instances }) =>
    app.args ? instances.filter(({ status }) => status !== 'stopped') : [],
  ).length
  if (plan.fresh.length > 0) await startFresh()
  for (const group of groupsOf(plan.outdated, GROUP, config.maxInstances - awake)) await restart(group)

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
  if (scaler?.why !== undefined) print(`restarting ${scaler.app.name}: ${scaler.why}`)
  if (scaler) await launch([scaler.app])

  async function startFresh(): Promise<void> {
    const isTooMany = awake + plan.fresh.filter(({ args }) => args).length > config.maxInstances
    const canSleep = isTooMany ? await rollout.canSleep() : new Set<string>()
    const { together, waves } = wavesOf(plan.fresh, canSleep, awake, config.maxInstances)
    if (together.length > 0) await launch(together)
    for (const wave of waves) {
      await launch(wave)
      const names = wave.map(({ name }) => name)
      await putToSleep(new Set(names))
      for (const name of names) rollout.noteAsleep(name)
      print(`${names.join(', ')}: asleep until there is something to do, as MAX_INSTANCES is ${config.maxInstances}`)
    }
  }

  async function restart(group: readonly Outdated[]): Promise<void> {
    for (const [why, names] of byReason(group)) print(`restarting ${names.join(', ')}: ${why}`)
    await Promise.all(group.flatMap(({ instances }) => instances.map((instance) => pm2.remove(instance.id))))
    try {
      await launch(group.map(({ app, instances }) => ({ ...app, instances: countOf(app, instances) })))
    } catch (error) {
      throw await bringBack(group, error)
    }
    await putToSleep(new Set(group.flatMap(({ app, isAsleep }) => (isAsleep ? app.name : []))))
  }

  async function putToSleep(names: ReadonlySet<string>): Promise<void> {
    if (names.size === 0) return
    const awakened = (await pm2.list()).filter(({ name }) => names.has(name))
    await Promise.all(awakened.map(({ id }) => pm2.sleep(id)))
  }

  // With the environment that it had; its code is what is in dist/.
  async function bringBack(group: readonly Outdated[], failure: unknown): Promise<unknown> {
    if (!(failure instanceof StartupError)) return failure
    const names = group.map(({ app }) => app.name).join(', ')
    print(`starting ${names} again with the environment from before`)
    const before = group.map(({ app, instances }) => ({
      ...app,
      instances: countOf(app, instances),
      env: { ...instances[0]?.env },
    }))
    const end = await launch(before, { keep: true }).then(
      () => `${names}: running again, with the environment from before.`,
      () => `${names}: not running again either, not with the environment from before. \`npm run status\` shows more.`,
    )
    return new StartupError(failure.code, `${failure.message}\n${end}`, { cause: failure })
  }

  /** @param options.keep what fails stays in pm2's list, which tries again */
  async function launch(apps: App[], { keep = false } = {}): Promise<void> {
    const expected = apps.filter((app) => app.name !== COMPILER).map((app) => [app.name, app.instances] as const)
    const ready = readiness.until(new Map(expected), timeoutMs, Date.now())
    const launched = pm2.start(apps)
    try {
      await Promise.race([ready, launched.then(() => ready)])
    } catch (error) {
      if (!keep) await remove(new Set(apps.map((app) => app.name)))
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

// However many somebody has asked pm2 for: a second broker is one that could not start.
function countOf(app: App, instances: readonly Instance[]): number {
  const running = instances.filter(({ status }) => status !== 'stopped').length
  return app.name === BROKER ? app.instances : Math.max(running, 1)
}

// The autoscaler may be about to end one, or to start one: what counts is that somebody is there.
function expectedOf(instances: readonly Instance[]): number {
  return instances.some(({ status }) => status === 'online') ? 1 : 0
}

function byReason(group: readonly Outdated[]): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const { app, why } of group) names.set(why, [...(names.get(why) ?? []), app.name])
  return names
}

function namesOf(instances: readonly Instance[]): string {
  return [...new Set(instances.map((instance) => instance.name))].join(', ')
}
