import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { isStrict } from '../helpers/promised.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

/** Five thousand on a machine that does nothing else; where other tests run beside it, what that can carry. */
const FAILING = isStrict ? 5_000 : 500
/** Good messages a second, all the while. */
const RATE = 500
/** Milliseconds. */
const BEFORE = isStrict ? 3_000 : 1_500
const DURING = isStrict ? 6_000 : 3_000
/** What is promised of a machine that does nothing else, which `npm run test:timetable` asks for. */
const SHARE = 0.7

/** Tells how many good messages it has handled, five times a second. */
const worker = (queue: string) => `
import { setTimeout as sleep } from 'node:timers/promises'
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

let good = 0
setInterval(() => process.send?.({ good }), 200).unref()

export default defineWorker(defineQueue('${queue}', { data: z.object({ good: z.boolean() }) }), {
  concurrency: 50,
  handler: async (data) => {
    if (!data.good) throw new Error('it fails')
    await sleep(5)
    good++
  },
})
`

/** What failing messages cost the others, on any broker. */
export async function neighbours(t: Test, url: string): Promise<void> {
  const name = unique('neighbours')
  const root = compiledProject(t, { 'workers/both.ts': worker(name) })
  const address = defineQueue(name, { data: z.object({ good: z.boolean() }) })
  const { client } = bench(t, url)
  const { send } = (await client()).bus()
  let handled = 0
  const onMessage = (message: unknown) => {
    handled = (message as { good?: number }).good ?? handled
  }
  const supervised = superviseWorker(t, { root, name: 'both', url, onMessage })

  // The first ones find everything made: queues, delays, compiled code.
  await Promise.all([
    send(address, { good: false }),
    ...Array.from({ length: 100 }, () => send(address, { good: true })),
  ])
  await until(() => handled >= 100, { what: 'the first messages' })

  const pace = 20
  const sending = setInterval(() => {
    for (let i = 0; i < (RATE * pace) / 1_000; i++)
      send(address, { good: true }).catch((error) => t.fail(String(error)))
  }, pace)
  t.teardown(() => clearInterval(sending))
  const before = await rate(BEFORE)
  const failing = Array.from({ length: FAILING }, () => send(address, { good: false }))
  await Promise.all(failing)
  // They fail five times each, which takes some seconds: the others do not wait for their end.
  const then = handled
  const during = await rate(DURING)
  await until(() => handled >= then + RATE / 5, { what: 'others, while those fail', timeout: 60_000 })
  clearInterval(sending)
  await supervised.stop()
  const found = `${Math.round(before)} good ones a second before, ${Math.round(during)} while ${FAILING} others failed again and again`
  if (isStrict) t.ok(during >= before * SHARE, found)
  else t.comment(found)

  async function rate(ms: number): Promise<number> {
    const [from, start] = [handled, performance.now()]
    await sleep(ms)
    return ((handled - from) * 1_000) / (performance.now() - start)
  }
}
