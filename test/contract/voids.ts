import type { Test } from 'tap'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import type { Runner } from '../../supervisor/execution/attempt.ts'
import { createProcessor } from '../../supervisor/execution/processor.ts'
import { type Collector, collect } from '../helpers/collect.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { aQueue, bench, number, testLog, unique } from '../helpers/messaging.ts'
import { runnerOf } from '../helpers/outcome.ts'
import { startProxy, throughProxy } from '../helpers/proxy.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

interface Started {
  readonly id: string
  readonly attempt: number
  readonly where: string
  readonly lost: AbortSignal
  end(): void
  fail(): void
}

/** A worker in this process whose deliveries come through a proxy, and whose copies go straight to the broker. */
async function stage(t: Test, url: string, { concurrency, attempts }: { concurrency: number; attempts: number }) {
  const proxy = await startProxy(t, Number(new URL(url).port))
  const { client, consumer, channel } = bench(t, url)
  const { isolate, retry, deadLetter, reply, bus } = await client()
  const started: Collector<Started> = collect('started handlers')
  const runnerIn = (where: string): Runner =>
    runnerOf(
      ({ id, attempt }, { lost }) =>
        new Promise((resolve, reject) => {
          const fail = () => reject(new Error('it fails'))
          started.push({ id, attempt, where, lost, end: () => resolve(undefined), fail })
        }),
    )
  const processor = createProcessor({
    worker: 'w',
    concurrency,
    attempts,
    backoff: { type: 'fixed', delay: 0, maxDelay: 0, jitter: 0 },
    runner: runnerIn('process'),
    sandbox: runnerIn('sandbox'),
    log: testLog().log,
    isolate,
    retry,
    deadLetter,
    reply,
  })
  const address = aQueue()
  const worker = await consumer({
    address,
    concurrency,
    url: throughProxy(url, proxy),
    onMessage: (incoming) => processor.handle(incoming),
  })
  const raw = await channel()
  return {
    started,
    processor,
    worker,
    proxy,
    send: (n: number) => bus().send(address, { n }, { id: `${n}` }),
    letters: async () => (await raw.checkQueue(`${address.name}.dead`)).messageCount,
    async letter() {
      const letter = await raw.get(`${address.name}.dead`, { noAck: true })
      return letter ? letter.properties : undefined
    },
    /** Cuts the deliveries' connection, and waits for the next one. */
    async lose() {
      const before = worker.states.items.filter(({ status }) => status === 'ready').length
      proxy.cut()
      await until(() => worker.states.items.filter(({ status }) => status === 'ready').length > before, {
        what: 'the next connection',
      })
    },
  }
}

/** What a lost connection does to messages, on any broker. */
export function voids(t: Test, url: string): void {
  t.test(
    'a handler whose connection is cut and that fails then: one attempt for each, and one dead letter',
    async (t) => {
      const { started, worker, send, lose, letters, letter } = await stage(t, url, { concurrency: 5, attempts: 2 })
      await send(1)
      const [first] = await started.reach(1)
      await lose()
      t.ok(first?.lost.aborted)
      await worker.received.reach(2)
      t.equal(started.items.length, 1, 'the redelivery waits')
      first?.fail()
      const [, second] = await started.reach(2)
      t.equal(second?.attempt, 1, 'uncharged')
      t.equal(await letters(), 0)
      second?.fail()
      const [, , third] = await started.reach(3)
      t.equal(third?.attempt, 2)
      third?.fail()
      await until(async () => (await letters()) > 0, { what: 'the dead letter' })
      t.match(await letter(), { messageId: '1', headers: { 'x-dead-reason': 'failed', 'x-dead-attempts': 2 } })
      t.equal(await letters(), 0, 'no second one')
      t.equal(started.items.length, 3)
    },
  )

  t.test('a connection that is dead and not noticed copies nothing', async (t) => {
    const { started, proxy, send, lose, letters } = await stage(t, url, { concurrency: 5, attempts: 1 })
    await send(1)
    const [first] = await started.reach(1)
    proxy.freeze()
    first?.fail()
    // By the connection that sends: a copy that was sent before would be there.
    await send(2)
    t.equal(await letters(), 0)
    proxy.thaw()
    await lose()
    const again = (await started.reach(3)).slice(1)
    t.strictSame(again.map(({ id }) => id).sort(), ['1', '2'])
    for (const { fail } of again) fail()
    await until(async () => (await letters()) === 2, { what: 'the dead letters' })
    t.equal(started.items.length, 3)
  })

  t.test(
    'a message that waits while its connection is cut again and again is handled, and never charged',
    async (t) => {
      const { started, send, lose, letters, processor, worker } = await stage(t, url, { concurrency: 1, attempts: 1 })
      worker.setPrefetch(3)
      await send(1)
      const [first] = await started.reach(1)
      await send(2)
      await worker.received.reach(2)
      for (let cut = 0; cut < 5; cut++) await lose()
      await until(() => processor.inProgress === 2, { what: 'the messages to come back' })
      t.equal(started.items.length, 1)
      first?.end()
      // A copy to the suspects whose connection was cut before its acknowledgement leaves two of them.
      await until(
        () => {
          for (const { end } of started.items) end()
          return started.items.length > 1 && processor.inProgress === 0
        },
        { what: 'the end' },
      )
      t.ok(started.items.every(({ attempt }) => attempt === 1))
      t.equal(await letters(), 0)
    },
  )

  t.test('a handler that is too busy for heartbeats ends well in the sandbox, and is never charged', async (t) => {
    const name = unique('busy')
    const root = compiledProject(t, { 'workers/busy.ts': busy(name) })
    const { client, channel } = bench(t, url)
    const { send } = (await client()).bus()
    const address = defineQueue(name, { data: number })
    await send(address, { n: 1 }, { id: 'busy' })
    const runs: string[] = []
    let hasEnded = false
    const onMessage = (message: unknown) => {
      const { run, end } = message as { run?: string; end?: string }
      if (run) runs.push(run)
      if (end === 'sandbox') hasEnded = true
    }
    const supervised = superviseWorker(t, { root, name: 'busy', url: `${url}?heartbeat=1`, onMessage })
    await until(() => hasEnded, { what: 'the end of a run in the sandbox', timeout: 120_000 })
    await supervised.stop()
    const raw = await channel()
    for (const queue of [name, `${name}.suspects`, `${name}.dead`]) {
      t.equal((await raw.checkQueue(queue)).messageCount, 0, queue)
    }
    t.ok(runs.length <= 4, runs.join(', '))
  })
}

/** Longer than a connection with a heartbeat of one second may be silent. */
const BUSY_MS = 4_000

const busy = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

export default defineWorker(defineQueue('${queue}', { data: z.object({ n: z.int() }) }), {
  attempts: 1,
  handler: () => {
    const where = process.argv[1].endsWith('sandbox.js') ? 'sandbox' : 'process'
    process.send({ run: where })
    for (const end = performance.now() + ${BUSY_MS}; performance.now() < end; );
    process.send({ end: where })
  },
})
`
