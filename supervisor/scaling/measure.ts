// Measures the load of each scaled worker, from the broker's queues, this machine's instances and the others' heartbeats.
import type { WorkerSummary } from '../base/fleet.ts'
import type { Depth, Heartbeat } from '../base/machines.ts'
import type { Instances } from './fleet.ts'
import { live } from './plan.ts'
import type { Load } from './policy.ts'

export interface MeasureOptions {
  /** The queues whose messages are a worker's to do; the first holds nearly all of them. */
  readonly queuesOf: (worker: WorkerSummary) => readonly string[]
  readonly depth: (queue: string) => Promise<Depth | undefined>
  readonly instances: Pick<Instances, 'of' | 'running'>
  /** Undefined while it is not known who is there. */
  readonly others: () => readonly Heartbeat[] | undefined
}

/** One worker's load. */
export interface Measure {
  /** Asks the queues, the suspects' as well where it is told so; resolves with whether anything has changed. */
  look(withSuspects: boolean): Promise<boolean>
  load(machines: readonly Heartbeat[]): Load
  /** Whether its queue has ever answered. */
  readonly isKnown: boolean
}

export function measure(worker: WorkerSummary, { queuesOf, depth, instances, others }: MeasureOptions): Measure {
  const { name, concurrency } = worker
  const depths: (Depth | undefined)[] = []
  /** Messages in progress when the queue was asked for the depth that is known. */
  let besides = 0
  let looks = 0

  // Without the instances that are leaving: the messages that they finish need no other instance, and those that they
  // give back are counted by the queue.
  function countsOf(machines: readonly Heartbeat[]): (number | undefined)[] {
    return [
      ...live(instances.running(name)).map(({ inProgress }) => inProgress),
      ...machines.flatMap(({ workers }) => {
        const load = workers.get(name)
        return load ? [load.inProgress ?? undefined] : []
      }),
    ]
  }

  return {
    get isKnown() {
      return depths[0] !== undefined
    },
    async look(withSuspects) {
      const before = sum(countsOf(others() ?? []))
      const asked = queuesOf(worker).map((queue, index) =>
        index === 0 || withSuspects || !depths[index] ? depth(queue) : depths[index],
      )
      const found = await Promise.all(asked)
      const isDifferent = found.some((one, index) => {
        const last = depths[index]
        return one?.messages !== last?.messages || one?.consumers !== last?.consumers
      })
      depths.splice(0, depths.length, ...found)
      besides = before
      looks++
      return isDifferent
    },
    load(machines) {
      const counts = countsOf(machines)
      const running = live(instances.running(name)).length
      // A queue whose leader is slow answers that it has nothing, and nobody who takes it. Somebody does, or is about to.
      const isTaken =
        instances.of(name).some(({ state }) => state?.status === 'ready' || state?.status === 'waiting') ||
        instancesOf(name, machines) > 0
      const [main] = depths
      const isUnknown = !main || (main.messages === 0 && main.consumers === 0 && isTaken)
      const inProgress = sum(counts)
      return {
        ready: depths.reduce((total, one) => total + (one?.messages ?? 0), 0),
        inProgress,
        besides,
        look: looks,
        // No more than there are: a suspect that waits for its turn is no reason for another.
        filled: Math.min(Math.ceil(inProgress / concurrency), running + instancesOf(name, machines)),
        isPartial: isUnknown || counts.includes(undefined),
      }
    },
  }
}

/** The ids of those machines that run a worker. */
export function machinesOf(name: string, machines: readonly Heartbeat[]): string[] {
  return machines.flatMap(({ id, workers }) => (workers.has(name) ? [id] : []))
}

/** How many instances these machines have of a worker. */
export function instancesOf(name: string, machines: readonly Heartbeat[]): number {
  return machines.reduce((sum, { workers }) => sum + (workers.get(name)?.instances ?? 0), 0)
}

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0)
}
