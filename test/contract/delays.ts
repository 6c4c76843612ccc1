import type { Test } from 'tap'
import { retryHeaders } from '../../supervisor/execution/settlement.ts'
import { aFanout, aQueue, bench, numberOf } from '../helpers/messaging.ts'
import { promised } from '../helpers/promised.ts'
import { until } from '../helpers/until.ts'
import { allowed } from './timetable.ts'

/** What delays and retries promise on any broker. */
export async function delays(t: Test, url: string): Promise<void> {
  t.test('a delayed message arrives when it is due, and not before', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    const { send } = (await client()).bus()
    const arrived: number[] = []
    const worker = await consumer({
      address: queue,
      onMessage(incoming) {
        arrived[numberOf(incoming)] = performance.now()
        incoming.ack()
      },
    })
    // The first one makes the network.
    await send(queue, { n: 0 }, { delay: 100 })
    await worker.received.reach(1)
    const steps = [300, 1_000, 1_500, 2_600]
    const taken: { from: number; to: number }[] = [{ from: 0, to: 0 }]
    for (const [i, ms] of steps.entries()) {
      const from = performance.now()
      await send(queue, { n: i + 1 }, { delay: ms === 1_500 ? '1.5s' : ms })
      taken.push({ from, to: performance.now() })
    }
    await worker.received.reach(1 + steps.length)
    t.same(worker.received.items.map(numberOf), [0, 1, 2, 3, 4])
    for (const [i, ms] of steps.entries()) {
      const at = arrived[i + 1] as number
      const { from, to } = taken[i + 1] as { from: number; to: number }
      // The broker's clock counts whole milliseconds.
      t.ok(at - from >= ms - 2, `not before its ${ms} ms: after ${Math.round(at - from)} ms`)
      promised(t, at - to, ms + allowed(ms), `after its ${ms} ms`)
    }
    t.equal((await (await channel()).checkQueue(queue.name)).messageCount, 0)
  })

  t.test('a delayed message of a fanout reaches every subscription, once', async (t) => {
    const { client, consumer } = bench(t, url)
    const fanout = aFanout()
    const onMessage = (m: { ack(): void }) => m.ack()
    const group = await consumer({ address: fanout, worker: 'a', onMessage })
    const other = await consumer({ address: fanout, worker: 'b', onMessage })
    const alone = await consumer({ address: fanout, worker: 'c', subscription: 'instance', onMessage })
    const { publish } = (await client()).bus()
    await publish(fanout, { n: 1 }, { delay: 200 })
    for (const each of [group, other, alone]) await each.received.reach(1)
    await publish(fanout, { n: 2 })
    for (const each of [group, other, alone]) t.same((await each.received.reach(2)).map(numberOf), [1, 2])
  })

  t.test("a subscriber's retry returns to that subscriber alone, as it was", async (t) => {
    const { client, consumer } = bench(t, url)
    const fanout = aFanout()
    const { bus, retry } = await client()
    const failing = await consumer({ address: fanout, worker: 'failing' })
    const well = await consumer({ address: fanout, worker: 'well', onMessage: (m) => m.ack() })
    const { id } = await bus({ requestId: 'r-1' }).publish(fanout, { n: 1 })
    for (const [attempt, delayMs] of [
      [1, 200],
      [2, 0],
    ] as const) {
      const incoming = (await failing.received.reach(attempt))[attempt - 1]
      if (!incoming) return t.fail('expected a message')
      t.match(incoming, { id, attempt, requestId: 'r-1' })
      t.equal(numberOf(incoming), 1)
      const headers = retryHeaders({ attempt, at: new Date(), before: incoming.properties.headers })
      await retry(incoming, headers, { delayMs, bare: false })
      incoming.ack()
    }
    t.match((await failing.received.reach(3))[2], { id, attempt: 3 })
    t.equal(well.received.items.length, 1)
  })

  t.test('retries are no dead-letter cycle: a message passes the same waiting queues again and again', async (t) => {
    const { client, consumer } = bench(t, url)
    const queue = aQueue()
    const { bus, retry } = await client()
    const worker = await consumer({ address: queue })
    const { id } = await bus().send(queue, { n: 1 })
    // From level 1 to level 0: on its second way, the message would enter a queue that is in its `x-death` already.
    const delayMs = 300
    for (let attempt = 1; attempt <= 4; attempt++) {
      const incoming = (await worker.received.reach(attempt))[attempt - 1]
      if (!incoming) return t.fail('expected a message')
      t.match(incoming, { id, attempt })
      const { headers } = incoming.properties
      await retry(incoming, retryHeaders({ attempt, at: new Date(), before: headers }), { delayMs, bare: false })
      incoming.ack()
    }
    t.match((await worker.received.reach(5))[4], { id, attempt: 5 })
  })

  t.test('what is delayed says when it is due: a send, a publish, a retry', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const [queue, fanout] = [aQueue(), aFanout()]
    const { bus, retry } = await client()
    const onQueue = await consumer({ address: queue })
    const onFanout = await consumer({ address: fanout })
    /** The time is the wall clock's: it may wait for 310 days, and the sender may end. */
    async function timed(ms: number, send: () => Promise<unknown>): Promise<(due: unknown) => void> {
      const from = Date.now()
      await send()
      const to = Date.now()
      return (due) => t.ok(Number(due) >= from + ms && Number(due) <= to + ms, `${due}, ${from} to ${to} and ${ms} ms`)
    }
    const dueOf = ({ properties }: { properties: { headers: Record<string, unknown> } }) => properties.headers['x-due']

    const sent = await timed(150, () => bus().send(queue, { n: 1 }, { delay: 150 }))
    const published = await timed(250, () => bus().publish(fanout, { n: 1 }, { delay: 250 }))
    const [first, copy] = [...(await onQueue.received.reach(1)), ...(await onFanout.received.reach(1))]
    if (!first || !copy) return t.fail('expected two messages')
    sent(dueOf(first))
    published(dueOf(copy))
    const headers = retryHeaders({ attempt: 1, at: new Date(), before: first.properties.headers })
    const retried = await timed(300, () => retry(first, headers, { delayMs: 300, bare: false }))
    first.ack()
    const again = (await onQueue.received.reach(2))[1]
    if (!again) return t.fail('expected the retry')
    retried(dueOf(again))
    t.match(again.properties.headers, { 'x-attempt': 2, 'x-life': 0 })
    again.ack()

    // Far from due it can be read where it waits: at the level of its delay's highest bit.
    const far = await timed(310 * 86_400_000, () => bus().send(queue, { n: 2 }, { id: 'far', delay: '310d' }))
    const raw = await channel()
    const waiting = await raw.get('warren.delay.27', { noAck: true })
    if (!waiting) return t.fail('expected a message at the highest level')
    t.equal(waiting.properties.messageId, 'far')
    far(waiting.properties.headers?.['x-due'])
    t.type(waiting.properties.headers?.['x-due'], 'number')
  })

  t.test('a message whose queue has gone meanwhile is kept, and is in nobody’s way', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const [gone, there] = [aQueue('gone'), aQueue('there')]
    const { send } = (await client()).bus()
    const raw = await channel()
    await send(gone, { n: 1 }, { delay: 1_000, id: gone.name })
    await raw.deleteQueue(gone.name)
    const worker = await consumer({ address: there, onMessage: (m) => m.ack() })
    await send(there, { n: 2 }, { delay: 1_000 })
    await worker.received.reach(1)
    await until(
      async () => {
        const found = await raw.get('warren.undeliverable', { noAck: true })
        return found && found.properties.messageId === gone.name
      },
      { what: 'the message in warren.undeliverable' },
    )
  })
}
