import type { GetMessage } from 'amqplib'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

/** How many are at hand when a process is stopped. */
const AT_HAND = 20
/** One more than a message may come back without being suspected. */
const DRAINS = 3

/** Its handlers don't end before they are told to. */
const worker = (queue: string) => `
import { defineQueue, defineWorker } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int() }) })

export default defineWorker(address, {
  concurrency: ${AT_HAND},
  handler: (_, { signal }) => new Promise((_, reject) => {
    process.send('started')
    signal.addEventListener('abort', () => reject(signal.reason))
  }),
})
`

/** What stopping a worker does to the messages that it gives back, on any broker. */
export async function drains(t: Test, url: string): Promise<void> {
  t.test('what a stopped worker gives back is neither lost nor dead, however often', async (t) => {
    const name = unique('drained')
    const root = compiledProject(t, { 'workers/slow.ts': worker(name) })
    const { client, channel } = bench(t, url)
    const { send } = (await client()).bus()
    const address = defineQueue(name, { data: z.object({ n: z.int() }) })
    await Promise.all(Array.from({ length: AT_HAND }, (_, n) => send(address, { n }, { id: `${n}` })))

    for (let i = 0; i < DRAINS; i++) {
      let started = 0
      const onMessage = () => void started++
      const supervised = superviseWorker(t, { root, name: 'slow', url, onMessage, env: { SHUTDOWN_TIMEOUT: '100ms' } })
      // A suspect has its process to itself.
      await until(() => started >= (i < DRAINS - 1 ? AT_HAND : 1), { what: 'handlers to run', timeout: 60_000 })
      await supervised.stop()
    }

    const raw = await channel()
    const ready = async (queue: string) => (await raw.checkQueue(queue)).messageCount
    const [own, suspects, dead] = [await ready(name), await ready(`${name}.suspects`), await ready(`${name}.dead`)]
    t.equal(own + suspects, AT_HAND, 'each is there once')
    t.equal(dead, 0)
    if (await countsReturns()) t.comment(`this broker counts what is given back: ${suspects} are suspects`)
    else t.equal(suspects, 0, 'where the broker does not count it, nobody is suspected')

    // A queue of the same kind as the work queue.
    async function countsReturns(): Promise<boolean> {
      const { queue } = await raw.assertQueue(unique('returned'), { durable: true, arguments: QUORUM })
      raw.sendToQueue(queue, Buffer.from('1'))
      raw.nack(await next('the message that was sent'))
      const { properties } = await next('the message that was returned')
      await raw.deleteQueue(queue)
      return Number(properties.headers?.['x-delivery-count'] ?? 0) > 0

      async function next(what: string): Promise<GetMessage> {
        let message: GetMessage | false = false
        await until(async () => (message = await raw.get(queue)), { what })
        return message as unknown as GetMessage
      }
    }
  })
}

const QUORUM = { 'x-queue-type': 'quorum', 'x-delivery-limit': 20 }
