// A worker's processes and its queue, as the autoscaler meets them: a model in ticks.
import type { Running } from '../../../supervisor/scaling/plan.ts'
import { randomFrom } from '../../helpers/random.ts'
import { TICK, type Workload } from './workload.ts'

/** Milliseconds between two messages of how much is in progress; as in supervisor/process/report.ts. */
const LOAD_EVERY = 200

interface Process {
  readonly id: number
  phase: Running['phase']
  readyAt: number
  /** When each of its slots is free again. */
  slots: number[]
  /** What it has told of its messages in progress, and when. */
  told: number | undefined
  toldAt: number
}

export interface Processes {
  readonly worker: string
  /** Messages that wait. */
  readonly backlog: number
  /** Messages that are being handled. */
  readonly inProgress: number
  readonly arrived: number
  readonly handled: number
  /** Milliseconds that a message has waited at most. */
  readonly longestWait: number
  /** As the plan sees them. */
  running(): Running[]
  add(readyAt: number): void
  wake(id: number, readyAt: number): void
  quiet(id: number): void
  sleep(id: number): void
  remove(id: number): void
  /** Lets one tick pass, at whose beginning so many messages come. */
  pass(now: number, arrivals: number): void
}

/** Begins with `min` instances, or with one that is asleep. */
export function modelProcesses({ worker, scale, concurrency, serviceMs }: Workload): Processes {
  const processes: Process[] = []
  const random = randomFrom(1)
  let nextId = 0
  /** When each message has come; those before `next` have been taken. */
  const comings: number[] = []
  let next = 0
  let longestWait = 0
  let now = 0
  for (let count = 0; count < Math.max(scale.min, 1); count++) start(scale.min === 0 ? 'asleep' : 'live', 0)

  function start(phase: Running['phase'], readyAt: number): void {
    const told = phase === 'asleep' ? 0 : undefined
    processes.push({ id: nextId++, phase, readyAt, slots: Array(concurrency).fill(0), told, toldAt: -LOAD_EVERY })
  }

  function find(id: number): Process {
    const found = processes.find((one) => one.id === id)
    if (!found) throw new Error(`The plan names instance ${id} of ${worker}, which is not there.`)
    return found
  }

  // A message goes to whoever is free first, and waits if that is after the tick.
  function serve(end: number): void {
    const slots = processes
      .filter(({ phase, readyAt }) => phase === 'live' && readyAt < end)
      .flatMap((one) => one.slots.map((free, index) => ({ one, index, free: Math.max(free, one.readyAt, now) })))
    const latest = new Map<Process, number>()
    for (let came = comings[next]; came !== undefined; came = comings[next]) {
      const first = slots.reduce<(typeof slots)[number] | undefined>(
        (a, b) => (a && a.free <= b.free ? a : b),
        undefined,
      )
      if (!first || first.free > end) break
      const { one, index } = first
      const begun = Math.max(first.free, came)
      next++
      longestWait = Math.max(longestWait, begun - came)
      first.free = begun + serviceMs
      one.slots[index] = first.free
      latest.set(one, begun)
    }
    // Only now: of slots that are free at the same moment, each would be told of before the next is filled.
    for (const [one, begun] of latest) tell(one, begun)
  }

  // The first change at once, and then one every so often.
  function tell(one: Process, at: number): void {
    const count = inProgressOf(one, at)
    if (count !== one.told && at - one.toldAt >= LOAD_EVERY) Object.assign(one, { told: count, toldAt: at })
  }

  function inProgressOf({ slots }: Process, at = now): number {
    return slots.filter((free) => free > at).length
  }

  function inProgress(): number {
    return processes.reduce((sum, one) => sum + inProgressOf(one), 0)
  }

  function endIdle(id: number): Process {
    const one = find(id)
    if (inProgressOf(one) > 0) throw new Error(`The plan ends instance ${id} of ${worker}, which is not idle.`)
    return one
  }

  return {
    worker,
    get backlog() {
      return comings.length - next
    },
    get inProgress() {
      return inProgress()
    },
    get arrived() {
      return comings.length
    },
    get handled() {
      return next - inProgress()
    },
    get longestWait() {
      return longestWait
    },
    running: () =>
      processes.map(({ id, phase, told }) => ({ id, phase, inProgress: told, isReady: told !== undefined })),
    add: (readyAt) => start('live', readyAt),
    wake(id, readyAt) {
      Object.assign(find(id), { phase: 'live', readyAt, told: undefined, toldAt: -LOAD_EVERY })
    },
    quiet(id) {
      // It counts as unknown until it has heard, and tells again.
      Object.assign(find(id), { phase: 'quiet', told: undefined, toldAt: -LOAD_EVERY })
    },
    sleep(id) {
      Object.assign(endIdle(id), { phase: 'asleep', told: 0 })
    },
    remove(id) {
      processes.splice(processes.indexOf(endIdle(id)), 1)
    },
    pass(at, arrivals) {
      now = at
      const end = at + TICK
      // Anywhere within the tick: each at the same distance from its end, and every look would show the same accident.
      const offsets = Array.from({ length: arrivals }, random).sort((a, b) => a - b)
      for (const offset of offsets) comings.push(at + offset * TICK)
      serve(end)
      now = end
      for (const one of processes) if (one.phase !== 'asleep' && one.readyAt <= end) tell(one, end)
    },
  }
}
