import type { Fleet, WorkerView } from '../../supervisor/base/fleet.ts'

/** A worker with two instances on two machines. */
export function aWorker(changes: Partial<WorkerView> = {}): WorkerView {
  const instance = { id: 1, pid: 4711, status: 'ready', memory: 50 * 1_048_576, cpu: 1, inProgress: 3 }
  return {
    name: 'resize',
    address: { kind: 'queue', name: 'images' },
    subscription: 'group',
    concurrency: 10,
    threads: 0,
    timeout: 60_000,
    memoryLimitMb: 256,
    attempts: 5,
    scale: { min: 0, max: 4, messagesPerInstance: 10, cooldown: 60_000 },
    queue: 'images',
    depth: 12,
    inProgress: 6,
    dead: 2,
    suspects: 0,
    instances: [
      { host: 'one', ...instance },
      { host: 'two', ...instance, id: 7 },
    ],
    desired: 2,
    pinned: {},
    decisions: [
      {
        at: '2026-11-23T16:34:42.000Z',
        host: 'two',
        worker: 'resize',
        from: 0,
        to: 1,
        ready: 12,
        inProgress: 6,
        desired: 2,
        reason: '18 messages, 10 an instance',
      },
    ],
    ...changes,
  }
}

/** One that shows these, or rejects. */
export function aFleet(answer: readonly WorkerView[] | Error): Fleet {
  return {
    async workers() {
      if (answer instanceof Error) throw answer
      return answer
    },
  }
}
