import type { Test } from 'tap'
import type { Incoming } from '../../supervisor/base/message.ts'
import { aQueue, bench, numberOf } from '../helpers/messaging.ts'
import { isStrict } from '../helpers/promised.ts'
import { until } from '../helpers/until.ts'

// What is on its way is waited for, but not for ever: where the broker gets no processor for a while, some may come back.
function noneCameBack(t: Test, items: readonly Incoming[]): void {
  const count = items.filter(({ returns }) => returns > 0).length
  if (isStrict) t.equal(count, 0, 'none has come back')
  else t.comment(`${count} of ${items.length} have come back`)
}

/** What a changed prefetch does, on any broker. */
export function prefetch(t: Test, url: string): void {
  t.test('a larger prefetch brings more at once, a smaller one fewer; nothing is lost or comes twice', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    await Promise.all(Array.from({ length: 60 }, (_, n) => send(queue, { n })))
    const held: Incoming[] = []
    const worker = await consumer({ address: queue, concurrency: 2, onMessage: (incoming) => held.push(incoming) })
    await worker.received.reach(2)
    worker.setPrefetch(20)
    await worker.received.reach(20)
    worker.setPrefetch(3)
    await worker.settled()

    let most = 0
    let present = 0
    for (const incoming of held.splice(0)) incoming.ack()
    while (worker.received.items.length < 60) {
      await until(() => held.length > 0 || worker.received.items.length === 60, { what: 'more messages' })
      present = held.length
      most = Math.max(most, present)
      for (const incoming of held.splice(0)) incoming.ack()
      await worker.settled()
    }
    t.ok(most <= 3, `${most} at a time`)
    for (const incoming of held.splice(0)) incoming.ack()
    await worker.settled()
    const numbers = worker.received.items.map(numberOf).sort((a, b) => a - b)
    t.same(
      numbers,
      Array.from({ length: 60 }, (_, n) => n),
    )
    noneCameBack(t, worker.received.items)
  })

  t.test('under load it changes while messages are on their way, and none comes back', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    const count = 3_000
    await Promise.all(Array.from({ length: count }, (_, n) => send(queue, { n })))
    // As handlers end: a little later, and not one after the other.
    const onMessage = (incoming: Incoming) => void setTimeout(incoming.ack, numberOf(incoming) % 7)
    const worker = await consumer({ address: queue, concurrency: 5, onMessage })
    for (let reached = 200; reached < count; reached += 200) {
      await worker.received.reach(reached)
      worker.setPrefetch(reached % 400 === 0 ? 5 : 100)
    }
    await worker.received.reach(count)
    await worker.settled()
    const { items } = worker.received
    t.equal(new Set(items.map(numberOf)).size, count)
    t.equal(items.length, count)
    noneCameBack(t, items)
  })

  t.test('a quiet worker takes none for a change of it', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    const worker = await consumer({ address: queue, concurrency: 1 })
    worker.setPrefetch(5)
    await worker.settled()
    await Promise.all(Array.from({ length: 10 }, (_, n) => send(queue, { n })))
    await worker.received.reach(5)
    await worker.quiet()
    worker.setPrefetch(9)
    await worker.settled()
    t.equal(worker.received.items.length, 5)
    for (const incoming of worker.received.items) incoming.ack()
    await worker.settled()
    t.equal(worker.received.items.length, 5)
  })
}
