import { setMaxListeners } from 'node:events'
import { reasonOf } from '../base/errors.ts'
import type { Decision, WorkerSummary } from '../base/fleet.ts'
import type { Logger } from '../base/log.ts'
import type { Depth, Heartbeat } from '../base/machines.ts'
import type { Scale } from '../base/scale.ts'
import type { Instances } from './fleet.ts'
import type { Asleep, Pins } from './notes.ts'
import { live, nextStep, type Placement, type Step, targets } from './plan.ts'
import type { Pm2 } from './pm2.ts'
import { follow, type Load, type Memory, remember } from './policy.ts'
import { reasonFor } from './reason.ts'
import { partOf } from './shares.ts'

/** Milliseconds between two looks at the queue of a worker without a process: a message there waits for all of it. */
const LOOK = 150
/** Every how many of these the other queues are looked at. */
const LOOKS = 2
/** Every how many of these the queues of suspects are. */
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
  readonly worker: WorkerSummary & { scale: Scale }
  readonly depths: (Depth | undefined)[]
  memory: Memory | undefined
  load: Load
  desired: number
}

/** Keeps as many instances of each worker with `scale` as its load is worth. */
export function autoscale(options: AutoscaleOptions): Autoscale {
  const { id, host, workers, queuesOf, pm2, instances, others, depth, pins, asleep, ceiling, log } = options
  const followed = new Map<string, Followed>()
  for (const worker of workers) {
    const { scale } = worker
    if (!scale) continue
    const load = { ready: 0, inProgress: 0, isPartial: true }
    followed.set(worker.name, { worker: { ...worker, scale }, depths: [], memory: undefined, load, desired: scale.min })
  }
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
  let restUntil = 0
  const timer = setInterval(() => void look(), LOOK)

  async function look(): Promise<void> {
    if (looking || followed.size === 0 || closed.signal.aborted) return
    looking = true
    looks++
    try {
      await instances.refresh()
      await Promise.all([...followed.values()].map(lookAt))
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

  async function lookAt({ worker, depths }: Followed): Promise<void> {
    const running = instances.running(worker.name)
    const isDue = looks % LOOKS === 0 || live(running).length === 0
    if (running.length === 0 || !isDue) return
    const queues = queuesOf(worker).filter((_, index) => index === 0 || looks % SUSPECT_LOOKS === 0 || !depths[index])
    const found = await Promise.all(queues.map(depth))
    found.forEach((one, index) => {
      const last = depths[index]
      if (one?.messages !== last?.messages || one?.consumers !== last?.consumers) isNews = true
      depths[index] = one
    })
  }

  function act(): void {
    if (acting || closed.signal.aborted || Date.now() < restUntil) return
    isNews = false
    acting = takeSteps()
      .catch((error: unknown) => {
        restUntil = Date.now() + AFTER_FAILURE
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
      const placements = place(machines)
      const step = nextStep(placements, ceiling)
      if (!step) return
      await carryOut(step, placements, machines)
      await instances.refresh(true)
    }
  }

  /** Notes what the load is worth: at every look, whether or not a step is under way that takes its time. */
  function observe(machines: readonly Heartbeat[] | undefined): void {
    const now = performance.now()
    for (const one of followed.values()) {
      const { name, scale } = one.worker
      const running = instances.running(name)
      if (running.length === 0) continue
      // Cut off from the others there is no telling, and what was needed before is needed still.
      one.load = machines ? loadOf(one, machines) : { ...one.load, isPartial: true }
      if (!machines && !one.memory) continue
      one.memory ??= remember(live(running).length + instancesOf(name, machines ?? []), now)
      const { memory, desired } = follow(one.memory, one.load, scale, now)
      Object.assign(one, { memory, desired })
    }
  }

  /** What there is of each worker, and what there should be. */
  function place(machines: readonly Heartbeat[]): Placement[] {
    const pinned = pins()
    return workers.flatMap((worker): Placement[] => {
      const { name } = worker
      const running = instances.running(name)
      const one = followed.get(name)
      if (running.length === 0) return []
      if (!one || isStopped(name)) return [{ name, instances: running, wanted: undefined }]
      const wanted = pinned.get(name) ?? partOf(one.desired, name, [id, ...machinesOf(name, machines)], id)
      return [{ name, instances: running, wanted }]
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

  function loadOf({ worker: { name, concurrency }, depths }: Followed, machines: readonly Heartbeat[]): Load {
    const running = instances.running(name).filter(({ phase }) => phase !== 'asleep')
    const counts = [
      ...running.map(({ inProgress }) => inProgress),
      ...machines.flatMap(({ workers: theirs }) => {
        const load = theirs.get(name)
        return load ? [load.inProgress ?? undefined] : []
      }),
    ]
    // A queue whose leader is slow answers that it has nothing, and nobody who takes it. Somebody does, or is about to.
    const isTaken =
      instances.of(name).some(({ state }) => state?.status === 'ready' || state?.status === 'waiting') ||
      instancesOf(name, machines) > 0
    const [main] = depths
    const isUnknown = !main || (main.messages === 0 && main.consumers === 0 && isTaken)
    const inProgress = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
    return {
      ready: depths.reduce((sum, one) => sum + (one?.messages ?? 0), 0),
      inProgress,
      // No more than there are: a suspect that waits for its turn is no reason for another.
      filled: Math.min(Math.ceil(inProgress / concurrency), running.length + instancesOf(name, machines)),
      isPartial: isUnknown || counts.includes(undefined),
    }
  }

  async function carryOut(step: Step, placements: readonly Placement[], machines: readonly Heartbeat[]): Promise<void> {
    const { kind, worker: name } = step
    const running = instances.running(name)
    const count = live(running).length
    if (kind === 'add' || kind === 'wake') {
      tell(step, count, count + 1, placements, machines)
      if (kind === 'wake') await pm2.wake(step.id)
      else await pm2.add(name, running.length)
      asleep.delete(name)
    } else if (kind === 'quiet') {
      tell(step, count, count - 1, placements, machines)
      instances.markQuiet(step.id)
      await pm2.quiet(step.id)
    } else {
      if (running.every((one) => one.id === step.id || one.phase === 'asleep')) asleep.add(name)
      if (kind === 'sleep') await pm2.sleep(step.id)
      else await pm2.remove(step.id)
      log.debug({ worker: name, instance: step.id }, 'an instance has ended')
    }
  }

  function tell(
    { worker }: Step,
    from: number,
    to: number,
    placements: readonly Placement[],
    machines: readonly Heartbeat[],
  ): void {
    const {
      load,
      desired,
      worker: { scale },
    } = followed.get(worker) as Followed
    const ready = load.isPartial && load.ready === 0 ? null : load.ready
    const reason = reasonFor({
      scale,
      load,
      desired,
      pin: pins().get(worker),
      machines: machinesOf(worker, machines).length + 1,
      wanted: placements.find(({ name }) => name === worker)?.wanted ?? 0,
      target: targets(placements, ceiling).get(worker) ?? 0,
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
      return one && { ready: one.depths[0] ? one.load.ready : null, desired: one.memory ? one.desired : null }
    },
    isLeftAlone: (name) => handsOff.has(name),
    async close() {
      closed.abort()
      clearInterval(timer)
      await acting
    },
  }
}

function machinesOf(name: string, machines: readonly Heartbeat[]): string[] {
  return machines.flatMap((machine) => (machine.workers.has(name) ? [machine.id] : []))
}

function instancesOf(name: string, machines: readonly Heartbeat[]): number {
  return machines.reduce((sum, { workers }) => sum + (workers.get(name)?.instances ?? 0), 0)
}
