// Drives the real policy and the real plan as the autoscaler does, in simulated time.
import type { Depth } from '../../../supervisor/base/machines.ts'
import { live, nextStep, type Placement, type Step } from '../../../supervisor/scaling/plan.ts'
import { follow, type Load, type Memory, remember } from '../../../supervisor/scaling/policy.ts'
import { partOf } from '../../../supervisor/scaling/shares.ts'
import { divide, followTurns, type Turns } from '../../../supervisor/scaling/turns.ts'
import { modelProcesses, type Processes } from './processes.ts'
import { arrivalsOf, type Scenario, TICK, type Workload } from './workload.ts'

/** Every how many looks a queue with consumers is looked at; as in supervisor/scaling/autoscale.ts. */
const LOOKS = 3
const MACHINE = 'this one'

export interface SimulateOptions {
  /**
   * Milliseconds from the start of a process until it takes messages.
   * @default 300
   */
  startUp?: number
  /**
   * Milliseconds until pm2 has stopped an idle process.
   * @default 100
   */
  stop?: number
}

/** How it stood at the end of a tick. */
export interface Sample {
  /** Seconds. */
  readonly at: number
  readonly arrived: number
  /** Messages that wait. */
  readonly backlog: number
  readonly inProgress: number
  readonly desired: number
  /** Processes, those that are on their way out included. */
  readonly actual: number
  readonly live: number
}

export interface Change {
  /** Seconds. */
  readonly at: number
  readonly kind: Step['kind']
}

/** What became of one worker. */
export interface Course {
  readonly workload: Workload
  readonly samples: readonly Sample[]
  readonly changes: readonly Change[]
  readonly arrived: number
  readonly handled: number
  /** Milliseconds that a message has waited at most. */
  readonly longestWait: number
}

interface Followed {
  readonly workload: Workload
  readonly processes: Processes
  readonly arrivals: readonly number[]
  readonly samples: Sample[]
  readonly changes: Change[]
  depth: Pick<Depth, 'messages'> | undefined
  /** Of the depth: how many looks there were, and what was in progress at the latest. */
  looks: number
  besides: number
  memory: Memory | undefined
  desired: number
}

/** The course of a scenario for each of its workers. */
export function simulate(scenario: Scenario, { startUp = 300, stop = 100 }: SimulateOptions = {}): Course[] {
  const { seconds, ceiling, workloads } = scenario
  const all = workloads.map((workload): Followed => {
    const arrivals = arrivalsOf(workload, seconds)
    const begun = { processes: modelProcesses(workload), samples: [], changes: [], depth: undefined, memory: undefined }
    return { workload, arrivals, ...begun, looks: 0, besides: 0, desired: workload.scale.min }
  })
  let turns: Turns = new Map()
  let busyUntil = 0
  let looks = 0

  for (let now = 0, tick = 0; now < seconds * 1_000; now += TICK, tick++) {
    for (const { processes, arrivals } of all) processes.pass(now, arrivals[tick] ?? 0)
    const end = now + TICK
    look()
    // One step at a time: until pm2 has done it, nothing else is decided.
    if (end >= busyUntil) takeSteps(end)
    for (const one of all) one.samples.push(sample(one, end))
  }
  return all.map(({ workload, processes: { arrived, handled, longestWait }, samples, changes }) => {
    return { workload, samples, changes, arrived, handled, longestWait }
  })

  function look(): void {
    looks++
    for (const one of all) {
      const isDue = looks % LOOKS === 1 || live(one.processes.running()).length === 0
      if (!isDue) continue
      one.besides = sum(countsOf(one))
      one.looks++
      one.depth = { messages: one.processes.backlog }
    }
  }

  function takeSteps(at: number): void {
    for (;;) {
      const placements = all.map((one) => place(one, at))
      turns = followTurns(turns, placements, at)
      const step = nextStep(placements, divide(placements, ceiling, turns, at), ceiling)
      if (!step) return
      busyUntil = at + carryOut(step, at)
      if (busyUntil > at) return
    }
  }

  function place(one: Followed, at: number): Placement {
    const { workload, processes } = one
    const instances = processes.running()
    one.memory ??= remember(live(instances).length, at)
    const { memory, desired, needed } = follow(one.memory, loadOf(one), workload.scale, at)
    Object.assign(one, { memory, desired })
    return { name: workload.worker, instances, wanted: partOf(desired, workload.worker, [MACHINE], MACHINE), needed }
  }

  /** @returns the milliseconds that it takes */
  function carryOut(step: Step, at: number): number {
    const { processes, changes } = all.find(({ workload }) => workload.worker === step.worker) as Followed
    changes.push({ at: at / 1_000, kind: step.kind })
    if (step.kind === 'add') processes.add(at + startUp)
    else if (step.kind === 'wake') processes.wake(step.id, at + startUp)
    else if (step.kind === 'quiet') processes.quiet(step.id)
    else if (step.kind === 'sleep') processes.sleep(step.id)
    else processes.remove(step.id)
    return { add: startUp, wake: startUp, quiet: 0, sleep: stop, end: stop }[step.kind]
  }
}

function loadOf(one: Followed): Load {
  const { depth, besides, looks, workload } = one
  const counts = countsOf(one)
  const inProgress = sum(counts)
  return {
    ready: depth?.messages ?? 0,
    inProgress,
    besides,
    look: looks,
    filled: Math.min(Math.ceil(inProgress / workload.concurrency), counts.length),
    isPartial: depth === undefined || counts.includes(undefined),
  }
}

function countsOf({ processes }: Followed): (number | undefined)[] {
  return live(processes.running()).map(({ inProgress }) => inProgress)
}

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0)
}

function sample({ processes, desired }: Followed, at: number): Sample {
  const { backlog, inProgress, arrived } = processes
  const running = processes.running()
  const actual = running.filter(({ phase }) => phase !== 'asleep').length
  return { at: at / 1_000, arrived, backlog, inProgress, desired, actual, live: live(running).length }
}
