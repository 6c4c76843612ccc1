import type { Test } from 'tap'
import { retryHeaders } from '../../supervisor/execution/settlement.ts'
import { aQueue, bench, numberOf } from '../helpers/messaging.ts'
import { isStrict } from '../helpers/promised.ts'
import { until } from '../helpers/until.ts'

/** Milliseconds that a message may come late on a machine that does nothing else: `npm run test:timetable` asks for it. */
export function allowed(delayMs: number): number {
  return 100 + delayMs * 0.05
}

/** When retries come, on any broker. */
export async function timetable(t: Test, url: string): Promise<void> {
  t.test('waiting retries keep to the timetable, each for itself', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { bus, retry } = await client()
    const count = isStrict ? 1_000 : 300
    const due = new Map<string, { from: number; to: number; delayMs: number }>()
    const late: { ms: number; early: boolean; delayMs: number }[] = []
    await bus().send(queue, { n: -1 }, { delay: 100 })
    const worker = await consumer({
      address: queue,
      concurrency: 1_000,
      onMessage(incoming) {
        const { id, attempt } = incoming
        const expected = due.get(id)
        if (attempt === 2 && expected) {
          const now = performance.now()
          const { from, to, delayMs } = expected
          late.push({ ms: now - to - delayMs, early: from + delayMs - now > 2, delayMs })
        }
        if (attempt === 2 || numberOf(incoming) < 0) return incoming.ack()
        // Whole ticks from one to six seconds, all through the same levels.
        const delayMs = 1_000 + (numberOf(incoming) % 51) * 100
        const headers = retryHeaders({ attempt, at: new Date(), before: {} })
        const from = performance.now()
        void retry(incoming, headers, { delayMs, bare: false }).then(() => {
          due.set(id, { from, to: performance.now(), delayMs })
          incoming.ack()
        })
      },
    })
    await worker.received.reach(1)
    await Promise.all(Array.from({ length: count }, (_, n) => bus().send(queue, { n })))
    await until(() => late.length >= count, {
      what: `${count} second attempts, so far ${late.length}`,
      timeout: 30_000,
    })
    const over = late.filter(({ ms, early, delayMs }) => early || (isStrict && ms > allowed(delayMs)))
    const sorted = late.map(({ ms }) => ms).sort((a, b) => a - b)
    const figures = `late by ${[0, 0.5, 0.99, 1].map((q) => Math.round(sorted[Math.floor(q * (count - 1))] as number))} ms`
    t.comment(`${figures} (least, median, 99 %, most)`)
    t.equal(over.length, 0, `${over.length} of ${count} out of time; ${figures}`)
  })
}
