import type { InstanceView, MachineView, WorkerSummary, WorkerView } from '../base/fleet.ts'
import type { Depth, Heartbeat } from '../base/machines.ts'
import type { Autoscale } from './autoscale.ts'
import type { Instances } from './fleet.ts'
import type { Pins } from './notes.ts'
import { live } from './plan.ts'

/** How many decisions of a worker are shown. */
const DECISIONS = 10

/** What one machine has. */
export interface Machine {
  readonly id: string
  readonly host: string
  readonly ceiling: number
  readonly workers: readonly WorkerSummary[]
  readonly instances: Instances
  readonly pins: () => Pins
}

/** What the others need to know of this machine to divide the work. */
export function heartbeatOf({
  id,
  host,
  workers,
  instances,
  scaler,
}: Machine & Pick<ViewOptions, 'scaler'>): Heartbeat {
  const known = workers
    .map(({ name }) => [name, instances.running(name)] as const)
    .filter(([name, { length }]) => length > 0 && !scaler?.isLeftAlone(name))
  return {
    id,
    host,
    workers: new Map(
      known.map(([name, running]) => {
        const taking = live(running)
        return [name, { instances: taking.length, inProgress: sum(taking.map(({ inProgress }) => inProgress ?? null)) }]
      }),
    ),
  }
}

export interface ViewOptions extends Machine {
  readonly scaler: Autoscale | undefined
  readonly machines: {
    readonly others: readonly Heartbeat[] | undefined
    depth(queue: string): Promise<Depth | undefined>
  }
  readonly queuesOf: (worker: WorkerSummary) => WorkerQueues
}

/** A worker's queues by what they hold; null where each of its processes has one of its own. */
export interface WorkerQueues {
  readonly work: string | null
  readonly suspects: string | null
  readonly dead: string
}

/** What whoever asks gets to see of this machine. */
export async function viewOf(options: ViewOptions): Promise<MachineView> {
  const { id, host, ceiling, workers, instances, machines } = options
  await instances.refresh(true)
  const { others } = machines
  return {
    id,
    host,
    ceiling,
    machines: others ? [id, ...others.map((other) => other.id)] : null,
    workers: await Promise.all(workers.map((worker) => workerView(worker, options))),
  }
}

async function workerView(worker: WorkerSummary, options: ViewOptions): Promise<WorkerView> {
  const { id, host, instances, pins, scaler, machines, queuesOf } = options
  const { name } = worker
  const queues = queuesOf(worker)
  // Only now that somebody asks: what decides nothing is not looked at again and again.
  const [waiting, suspects, dead] = await Promise.all(
    [queues.work, queues.suspects, queues.dead].map((queue) => (queue === null ? undefined : machines.depth(queue))),
  )
  const load = scaler?.load(name)
  const pin = pins().get(name)
  return {
    ...worker,
    queue: queues.work,
    depth: waiting?.messages ?? load?.ready ?? null,
    dead: dead?.messages ?? null,
    suspects: suspects?.messages ?? null,
    inProgress: sum(instances.running(name).map(({ inProgress }) => inProgress ?? null)),
    instances: instances.of(name).map((one): InstanceView => {
      const isRunning = one.status === 'online' || one.status === 'launching'
      return {
        host,
        id: one.id,
        pid: isRunning ? one.pid : null,
        status: (isRunning && one.state?.status) || (one.status === 'stopped' ? 'asleep' : one.status),
        memory: one.memory,
        cpu: one.cpu,
        inProgress: isRunning ? (one.state?.inProgress ?? null) : 0,
      }
    }),
    desired: load?.desired ?? null,
    pinned: pin === undefined ? {} : { [id]: pin },
    decisions: (scaler?.decisions ?? []).filter((decision) => decision.worker === name).slice(0, DECISIONS),
  }
}

/** Unknown as soon as one of them is. */
function sum(counts: readonly (number | null)[]): number | null {
  return counts.reduce((total, count) => (total === null || count === null ? null : total + count), 0 as number | null)
}
