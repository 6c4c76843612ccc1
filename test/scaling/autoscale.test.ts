import t, { type Test } from 'tap'
import type { WorkerSummary } from '../../supervisor/base/fleet.ts'
import type { Depth, Heartbeat } from '../../supervisor/base/machines.ts'
import type { ProcessState } from '../../supervisor/base/state.ts'
import { autoscale } from '../../supervisor/scaling/autoscale.ts'
import type { Running } from '../../supervisor/scaling/plan.ts'
import type { Instance } from '../../supervisor/scaling/pm2.ts'
import { testLog } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

// They mostly wait: side by side.
t.jobs = 6

const COOLDOWN = 500
const worker = { concurrency: 10, scale: { min: 0, max: 4, messagesPerInstance: 50, cooldown: COOLDOWN } }

/** A machine with one instance and a full queue, and a broker and a pm2 that do as they are told. */
function machine(t: Test, name = 'work', scale = {}) {
  let running: Running[] = [{ id: 0, phase: 'live', inProgress: 0 }]
  const made = {
    depth: { messages: 200, consumers: 1 } as Depth | undefined,
    others: [] as readonly Heartbeat[] | undefined,
    status: 'ready' as ProcessState['status'],
    looks: 0,
    /** Called when the queue is asked. */
    onDepth: () => {},
    /** Whether pm2 refuses to start anything; and when it was asked to. */
    isBroken: false,
    asked: [] as number[],
    works: (inProgress: number) => set(running.map((one) => ({ ...one, inProgress }))),
    get live() {
      return running.filter(({ phase }) => phase === 'live').length
    },
    decisions: () => scaler.decisions,
    desired: () => scaler.load(name)?.desired,
    stopByHand: () => set(running.map((one) => ({ ...one, phase: 'asleep' }))),
    isLeftAlone: () => scaler.isLeftAlone(name),
    /** Resolves when it has looked again that often. */
    async looked(times: number) {
      const goal = made.looks + times
      await until(() => made.looks >= goal, { what: `${times} looks` })
    },
  }
  const without = (id: number) => running.filter((one) => one.id !== id)
  function set(next: Running[]): void {
    running = next
  }
  const scaler = autoscale({
    id: 'a',
    host: 'a',
    workers: [{ ...worker, name, scale: { ...worker.scale, ...scale } } as unknown as WorkerSummary],
    queuesOf: () => ['work'],
    instances: {
      refresh: async () => void made.looks++,
      of: () => running.map(() => ({ state: { status: made.status } }) as Instance & { state: ProcessState }),
      running: () => running,
      markQuiet: (id) => set([...without(id), { id, phase: 'quiet', inProgress: 0 }]),
    },
    pm2: {
      add: async () => {
        made.asked.push(performance.now())
        if (made.isBroken) throw new Error('pm2 does not start it')
        running.push({ id: Math.max(...running.map(({ id }) => id)) + 1, phase: 'live', inProgress: 0 })
      },
      quiet: async () => {},
      remove: async (id) => set(without(id)),
      sleep: async (id) => set([{ id, phase: 'asleep', inProgress: 0 }]),
      wake: async (id) => set([{ id, phase: 'live', inProgress: 0 }]),
    },
    others: () => made.others,
    depth: async () => {
      made.onDepth()
      return made.depth
    },
    pins: () => new Map(),
    asleep: { has: () => false, add() {}, delete() {} },
    ceiling: 16,
    log: testLog().log,
  })
  t.teardown(() => scaler.close())
  return made
}

const EMPTY: Depth = { messages: 0, consumers: 4 }
/** Looks that take longer than the cooldown. */
const LONG = 12

t.test('cut off from the other machines, it ends nothing, nor right afterwards', { buffered: true }, async (t) => {
  const one = machine(t)
  await until(() => one.live === 4, { what: 'as many as the messages are worth' })
  one.others = undefined
  one.depth = EMPTY
  await one.looked(LONG)
  t.equal(one.live, 4)
  one.others = []
  const back = performance.now()
  await until(() => one.live < 4, { what: 'it to know that there is nothing to do', interval: 5 })
  const after = performance.now() - back
  t.ok(after > COOLDOWN * 0.8, `the cooldown has begun anew: ${Math.round(after)} ms`)
})

t.test('a queue that knows neither messages nor consumers is not taken for empty', { buffered: true }, async (t) => {
  for (const status of ['ready', 'waiting'] as const) {
    const one = machine(t)
    await until(() => one.live === 4, { what: 'as many as the messages are worth' })
    one.status = status
    one.depth = { messages: 0, consumers: 0 }
    await one.looked(LONG)
    t.equal(one.live, 4, `while its instances are ${status}`)
    one.depth = undefined
    await one.looked(LONG)
    t.equal(one.live, 4, 'nor is one that does not answer')
    one.depth = EMPTY
    await until(() => one.live === 0, { what: 'all of them to end' })
  }
})

t.test('what is stopped by hand here is for the others to run', { buffered: true }, async (t) => {
  const one = machine(t)
  await until(() => one.live === 4, { what: 'as many as the messages are worth' })
  t.notOk(one.isLeftAlone())
  one.stopByHand()
  await until(one.isLeftAlone, { what: 'it to be noticed' })
  await one.looked(LONG)
  t.equal(one.live, 0)
})

t.test('a worker may have the name of what every object has', { buffered: true }, async (t) => {
  async function stays(name: string): Promise<void> {
    const one = machine(t, name)
    one.others = [{ id: 'b', host: 'b', workers: new Map([['other', { instances: 2, inProgress: 3 }]]) }]
    one.depth = { messages: 1, consumers: 1 }
    await until(() => one.desired() === 1, { what: `${name} to be worth one instance` })
    await one.looked(LONG)
    t.equal(one.live, 1, name)
    t.same(one.decisions(), [], 'nothing was done about it')
  }
  await Promise.all(['constructor', 'toString', 'valueOf', 'hasOwnProperty'].map(stays))
})

t.test('a message that is taken while the queue is asked is one message', { buffered: true }, async (t) => {
  const one = machine(t, 'work', { messagesPerInstance: 1 })
  one.depth = { messages: 1, consumers: 1 }
  // Taken right after the queue has counted it, and done before the queue is asked again.
  one.onDepth = () => {
    setImmediate(one.works, 1)
    setTimeout(one.works, 200, 0)
  }
  await until(() => one.desired() === 1, { what: 'it to be worth one instance' })
  await one.looked(2 * LONG)
  t.equal(one.live, 1)
  t.same(one.decisions(), [])
  one.depth = { messages: 2, consumers: 1 }
  await until(() => one.live === 2, { what: 'two messages to be worth two instances' })
})

t.test('a clock that is set changes nothing', { buffered: true }, async (t) => {
  const { now } = Date
  t.teardown(() => Object.assign(Date, { now }))
  const one = machine(t)
  one.isBroken = true
  await until(() => one.asked.length === 1, { what: 'pm2 to refuse' })
  Object.assign(Date, { now: () => now() + 3_600_000 })
  one.isBroken = false
  await one.looked(LONG)
  t.equal(one.asked.length, 1, 'an hour ahead: it still waits')
  Object.assign(Date, { now: () => now() - 3_600_000 })
  await until(() => one.live === 4, { what: 'it to go on an hour back' })
})
