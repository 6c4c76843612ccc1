import { setMaxListeners } from 'node:events'
import { reasonOf } from '../base/errors.ts'
import type { Decision, WorkerSummary } from '../base/fleet.ts'
import type { Logger } from '../base/log.ts'
import type { Depth, Heartbeat } from '../base/machines.ts'
import type { Scale } from '../base/scale.ts'
import type { Instances } from './fleet.ts'
import { instancesOf, type Measure, machinesOf, measure } from './measure.ts'
import type { Asleep, Pins } from './notes.ts'
import { live, nextStep, type Placement, type Step } from './plan.ts'
import type { Pm2 } from './pm2.ts'
import { follow, type Load, type Memory, remember, type Verdict } from './policy.ts'
import { reasonFor } from './reason.ts'
import { partOf } from './shares.ts'
import { divide, followTurns, type Share, type Turns } from './turns.ts'

/** Milliseconds between two looks at the queue of a worker without a process: a message there waits for all of it. */
const LOOK = 150
/** Every how many of these the other queues are looked at. */
const LOOKS = 2
/** Every how many of these the queues of suspects are looked at. */
const SUSPECT_LOOKS = 10
/** Every how many of these it is thought about what to do, without any news: a cooldown ends, a machine becomes silent. */
const QUIET_LOOKS = 5
/** Milliseconds until the next step, after one that failed. */
const AFTER_FAILURE = 5_000
/** How many decisions are kept. */
const RING = 200

export interface AutoscaleOptions {
  id: string
  host: string
  /** Every worker of the project. */
  workers: readonly WorkerSummary[]
  /** The queues whose messages are a worker's to do; the first holds nearly all of them. */
  queuesOf: (worker: WorkerSummary) => readonly string[]
  pm2: Pick<Pm2, 'add' | 'wake' | 'sleep' | 'quiet' | 'remove'>
  instances: Instances
  /** Undefined while it is not known who is there. */
  others: () => readonly Heartbeat[] | undefined
  depth: (queue: string) => Promise<Depth | undefined>
  pins: () => Pins
  asleep: Asleep
  /** How many worker processes there may be on this machine. */
  ceiling: number
  log: Logger
}

export interface Autoscale {
  /** Told that something may have changed about what pm2 runs: the next look follows it up. */
  onChange(): void
  /** Somebody has stopped a worker: from now on it sleeps by their will, if it sleeps. */
  letGo(worker: string): void
  readonly decisions: readonly Decision[]
  /** What was found last, for a worker that is scaled. */
  load(worker: string): { ready: number | null; desired: number | null } | undefined
  /** Whether somebody has stopped it here by hand: its instances are for the other machines to run. */
  isLeftAlone(worker: string): boolean
  /** Starts no more steps, and waits for the one that is under way. */
  close(): Promise<void>
}

/** What is kept of a worker between two looks. */
interface Followed {
  readonly scale: Scale
  readonly measure: Measure
  memory: Memory | undefined
  load: Load
  verdict: Omit<Verdict, 'memory'>
}

/** What steps are decided on: what there is, who gets how much of it, and who else is there. */
interface Scene {
  readonly machines: readonly Heartbeat[]
  readonly placements: readonly Placement[]
  readonly shares: ReadonlyMap<string, Share>
}

/** Keeps as many instances of each worker with `scale` as its load is worth. */
export function autoscale(options: AutoscaleOptions): Autoscale {
  const { id, host, workers, pm2, instances, others, pins, asleep, ceiling, log } = options
  const followed = new Map<string, Followed>()
  for (const worker of workers) {
    const { name, scale } = worker
    if (!scale) continue
    const load = { ready: 0, inProgress: 0, isPartial: true }
    const verdict = { desired: scale.min, needed: 0, why: { by: 'before', instances: scale.min } } as const
    followed.set(name, { scale, measure: measure(worker, options), memory: undefined, load, verdict })
  }
  let turns: Turns = new Map()
  const decisions: Decision[] = []
  const handsOff = new Set<string>()
  const closed = new AbortController()
  setMaxListeners(0, closed.signal)
  let acting: Promise<void> | undefined
  let looking = false
  /** Whether anything has changed since it was last thought about what to do. */
  let isNews = false
  /** Whether it was known then who else is there. */
  let isKnown = false
  let looks = 0
  let restUntil = Number.NEGATIVE_INFINITY
  const timer = setInterval(() => void look(), LOOK)

  async function look(): Promise<void> {
    if (looking || followed.size === 0 || closed.signal.aborted) return
    looking = true
    looks++
    try {
      await instances.refresh()
      await Promise.all([...followed].map(([name, one]) => lookAt(name, one)))
      const machines = others()
      const isDifferent = isNews || !machines === isKnown
      isKnown = !!machines
      if (isDifferent || looks % LOOKS === 0) observe(machines)
      if (isDifferent || looks % QUIET_LOOKS === 0) act()
    } catch (error) {
      log.error({ err: error }, 'what runs could not be looked at; trying again')
    } finally {
      looking = false
    }
  }

  async function lookAt(name: string, one: Followed): Promise<void> {
    const running = instances.running(name)
    const isDue = looks % LOOKS === 0 || live(running).length === 0
    if (running.length === 0 || !isDue) return
    if (await one.measure.look(looks % SUSPECT_LOOKS === 0)) isNews = true
  }

  function act(): void {
    if (acting || closed.signal.aborted || performance.now() < restUntil) return
    isNews = false
    acting = takeSteps()
      .catch((error: unknown) => {
        restUntil = performance.now() + AFTER_FAILURE
        log.error({ reason: reasonOf(error) }, 'pm2 did not do what it was told; trying again')
      })
      .finally(() => {
        acting = undefined
      })
  }

  async function takeSteps(): Promise<void> {
    for (;;) {
      const machines = others()
      if (!machines || closed.signal.aborted) return
      observe(machines)
      const scene = survey(machines)
      const step = nextStep(scene.placements, scene.shares, ceiling)
      if (!step) return
      await carryOut(step, scene)
      await instances.refresh(true)
    }
  }

  /** Notes what the load is worth: at every look, whether or not a step is under way that takes its time. */
  function observe(machines: readonly Heartbeat[] | undefined): void {
    const now = performance.now()
    for (const [name, one] of followed) {
      const running = instances.running(name)
      if (running.length === 0) continue
      // Cut off from the others there is no telling, and what was needed before is needed still.
      one.load = machines ? one.measure.load(machines) : { ...one.load, isPartial: true }
      if (!machines && !one.memory) continue
      one.memory ??= remember(live(running).length + instancesOf(name, machines ?? []), now)
      const { memory, ...verdict } = follow(one.memory, one.load, one.scale, now)
      Object.assign(one, { memory, verdict })
    }
  }

  function survey(machines: readonly Heartbeat[]): Scene {
    const now = performance.now()
    const placements = place(machines)
    turns = followTurns(turns, placements, now)
    return { machines, placements, shares: divide(placements, ceiling, turns, now) }
  }

  /** What there is of each worker, and what there should be. */
  function place(machines: readonly Heartbeat[]): Placement[] {
    const pinned = pins()
    return workers.flatMap(({ name }): Placement[] => {
      const running = instances.running(name)
      const one = followed.get(name)
      if (running.length === 0) return []
      if (!one || isStopped(name)) return [{ name, instances: running, wanted: undefined, needed: 0 }]
      const pin = pinned.get(name)
      // Whoever pins a worker means it: these count as if all of them had work.
      if (pin !== undefined) return [{ name, instances: running, wanted: pin, needed: pin }]
      const all = [id, ...machinesOf(name, machines)]
      const [wanted, needed] = [one.verdict.desired, one.verdict.needed].map((count) => partOf(count, name, all, id))
      return [{ name, instances: running, wanted, needed: needed ?? 0 }]
    })
  }

  // `pm2 stop NAME` by hand means that it shall not run, whatever waits for it. It stops one instance after the other:
  // the first is enough.
  function isStopped(name: string): boolean {
    const running = instances.running(name)
    const sleeps = running.some(({ phase }) => phase === 'asleep')
    // Somebody has started what had been put to sleep.
    if (!sleeps) asleep.delete(name)
    const isDown = sleeps && !asleep.has(name)
    if (isDown && !handsOff.has(name)) log.info({ worker: name }, 'stopped by hand: left alone until it is started')
    if (isDown) handsOff.add(name)
    else handsOff.delete(name)
    return isDown
  }

  async function carryOut(step: Step, scene: Scene): Promise<void> {
    const { kind, worker: name } = step
    const running = instances.running(name)
    const count = live(running).length
    if (kind === 'add' || kind === 'wake') {
      report(name, count, count + 1, scene)
      if (kind === 'wake') await pm2.wake(step.id)
      else await pm2.add(name, running.length)
      asleep.delete(name)
    } else if (kind === 'quiet') {
      report(name, count, count - 1, scene)
      instances.markQuiet(step.id)
      await pm2.quiet(step.id)
    } else {
      if (running.every((one) => one.id === step.id || one.phase === 'asleep')) asleep.add(name)
      if (kind === 'sleep') await pm2.sleep(step.id)
      else await pm2.remove(step.id)
      log.debug({ worker: name, instance: step.id }, 'an instance has ended')
    }
  }

  function report(worker: string, from: number, to: number, { machines, placements, shares }: Scene): void {
    const { load, verdict } = followed.get(worker) as Followed
    const { desired, why } = verdict
    const { goal = 0, short } = shares.get(worker) ?? {}
    const ready = load.isPartial && load.ready === 0 ? null : load.ready
    const reason = reasonFor({
      desired,
      why,
      pin: pins().get(worker),
      machines: machinesOf(worker, machines).length + 1,
      wanted: placements.find(({ name }) => name === worker)?.wanted ?? 0,
      goal,
      short,
      ceiling,
    })
    const what = { worker, from, to, ready, inProgress: load.inProgress, desired, reason }
    decisions.unshift({ at: new Date().toISOString(), host, ...what })
    decisions.length = Math.min(decisions.length, RING)
    log.info(what, to > from ? 'scaling out' : 'scaling in')
  }

  return {
    onChange() {
      isNews = true
    },
    letGo: (worker) => asleep.delete(worker),
    decisions,
    load(name) {
      const one = followed.get(name)
      return (
        one && { ready: one.measure.isKnown ? one.load.ready : null, desired: one.memory ? one.verdict.desired : null }
      )
    },
    isLeftAlone: (name) => handsOff.has(name),
    async close() {
      closed.abort()
      clearInterval(timer)
      await acting
    },
  }
}
