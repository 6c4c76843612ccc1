// What one machine tells: the others, to divide the work, and whoever asks.
import t from 'tap'
import type { WorkerSummary } from '../../supervisor/base/fleet.ts'
import type { Running } from '../../supervisor/scaling/plan.ts'
import { heartbeatOf, viewOf } from '../../supervisor/scaling/view.ts'
import { aWorker } from '../helpers/fleet.ts'

const running: Running[] = [
  { id: 1, phase: 'live', inProgress: 3 },
  { id: 2, phase: 'quiet', inProgress: 5 },
  { id: 3, phase: 'asleep', inProgress: 0 },
]

function machine(name: string) {
  const worker: WorkerSummary = aWorker({ name })
  return {
    id: 'one-1',
    host: 'one',
    ceiling: 4,
    workers: [worker],
    instances: { refresh: async () => {}, of: () => [], running: () => running, markQuiet() {} },
    pins: () => new Map([['images', 7]]),
    scaler: undefined,
  }
}

t.test('the others count what takes messages', async (t) => {
  const { workers } = heartbeatOf(machine('constructor'))
  t.same([...workers], [['constructor', { instances: 1, inProgress: 3 }]])
  t.equal(workers.get('toString'), undefined)
})

t.test('whoever asks sees what waits, what is dead and what is suspected', async (t) => {
  const queues = new Map([
    ['images', 12],
    ['images.dead', 2],
  ])
  const machines = {
    others: [],
    depth: async (queue: string) => {
      const messages = queues.get(queue)
      return messages === undefined ? undefined : { messages, consumers: 1 }
    },
  }
  const queuesOf = () => ({ work: 'images', suspects: 'images.suspects', dead: 'images.dead' })
  const view = await viewOf({ ...machine('constructor'), machines, queuesOf })
  t.match(view.workers, [
    { name: 'constructor', queue: 'images', depth: 12, dead: 2, suspects: null, inProgress: 8, pinned: {} },
  ])
  t.same(view.workers[0]?.pinned, {}, 'nobody has pinned it')
  const shared = await viewOf({
    ...machine('a'),
    machines,
    queuesOf: () => ({ ...queuesOf(), work: null, suspects: null }),
  })
  t.match(shared.workers, [{ queue: null, depth: null, dead: 2, suspects: null }])
})
