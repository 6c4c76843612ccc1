import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { bench, unique } from '../helpers/messaging.ts'

/** The largest frame that RabbitMQ agrees to by default, and what it takes beside a body. */
const FRAME = 131_072 - 8
/** Around each limit at which a message is written or read in another way. */
const SIZES = [3, 200, 8 * 1024, 64 * 1024, FRAME, 2 * FRAME, 1_000_000].flatMap((size) => [size - 1, size, size + 1])

/** What arrives of messages of any size, and with any text in their properties, on any broker. */
export function bodies(t: Test, url: string): void {
  t.test('messages of all sizes, sent at once, arrive whole and in order', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = defineQueue(unique('bodies'), { data: z.string() })
    const requestId = 'r'.repeat(128)
    const { send } = (await client()).bus({ requestId })
    // Twice: what is made at the first use, such as the queue, would sort them out.
    await send(queue, '')
    const texts = [...SIZES, ...SIZES.reverse()].map((size, n) =>
      String(n)
        .padEnd(size - 2, 'x')
        .slice(0, size - 2),
    )
    // Every fifth has an id that is not plain ASCII.
    const ids = texts.map((_, n) => (n % 5 === 0 ? `№ ${n}` : `id-${n}`))
    await Promise.all(texts.map((text, n) => send(queue, text, { id: ids[n] as string })))

    const worker = await consumer({ address: queue as never, concurrency: 100 })
    const [, ...received] = await worker.received.reach(1 + texts.length)
    t.same(
      received.map(({ id }) => id),
      ids,
    )
    for (const [n, { body, properties, requestId: given }] of received.entries()) {
      if (body.toString() !== JSON.stringify(texts[n])) t.fail(`${ids[n]}: ${body.length} bytes, another text`)
      t.match(properties, { contentType: 'application/json', type: queue.name, headers: { 'x-request-id': requestId } })
      t.equal(given, requestId)
    }
    for (const incoming of worker.received.items) incoming.ack()
  })
}
