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
    workers: Object.fromEntries(
      known.map(([name, running]) => [
        name,
        { instances: live(running).length, inProgress: sum(running.map(({ inProgress }) => inProgress ?? null)) },
      ]),
    ),
  }
}

export interface ViewOptions extends Machine {
  readonly scaler: Autoscale | undefined
  readonly machines: {
    readonly others: readonly Heartbeat[] | undefined
    depth(queue: string): Promise<Depth | undefined>
  }
  readonly queueOf: (worker: WorkerSummary) => string | null
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
  const { id, host, instances, pins, scaler, machines, queueOf } = options
  const { name } = worker
  const queue = queueOf(worker)
  const found = queue === null ? undefined : await machines.depth(queue)
  const load = scaler?.load(name)
  const pin = pins()[name]
  return {
    ...worker,
    queue,
    depth: found?.messages ?? load?.ready ?? null,
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
