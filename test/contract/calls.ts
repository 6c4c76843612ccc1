import type { Test } from 'tap'
import { z } from 'zod'
import type { Bus } from '../../supervisor/base/bus.ts'
import { defineQueue, defineWorker } from '../../supervisor/base/definitions.ts'
import { CallFailedError, CallTimeoutError } from '../../supervisor/base/errors.ts'
import type { Incoming } from '../../supervisor/base/message.ts'
import { createInlineRunner } from '../../supervisor/execution/inline.ts'
import { createProcessor } from '../../supervisor/execution/processor.ts'
import { aQueue, bench, number, numberOf, testLog, unique } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

/** What `bus.call` promises on any broker. */
export async function calls(t: Test, url: string): Promise<void> {
  t.test('a call resolves with the result, or rejects with the error', async (t) => {
    const bed = bench(t, url)
    const queue = aQueue('sum')
    const client = await bed.client()
    const { reply } = await bed.client()
    await bed.consumer({
      address: queue,
      async onMessage(incoming) {
        const n = numberOf(incoming)
        if (incoming.reply && n > 0) await reply(incoming.reply, Buffer.from(JSON.stringify({ sum: n + 1 })))
        if (incoming.reply && n < 0) await reply(incoming.reply, Buffer.from('too small'), 'RangeError')
        incoming.ack()
      },
    })
    const { call } = client.bus()
    t.strictSame(await call(queue, { n: 1 }), { sum: 2 })
    await t.rejects(call(queue, { n: -1 }), new CallFailedError(`queue '${queue.name}'`, 'RangeError', 'too small'))
    const many = await Promise.all(Array.from({ length: 100 }, (_, n) => call(queue, { n: n + 1 })))
    t.strictSame(
      many.map((r) => r.sum),
      many.map((_, n) => n + 2),
    )
  })

  t.test('a call that nobody answers times out, and its request is never handled', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    // It exists, however slow the broker is with the call's own declaration.
    await (await consumer({ address: queue })).close()
    const { call, send } = (await client()).bus()
    await t.rejects(call(queue, { n: 1 }, { timeout: '200ms' }), CallTimeoutError)
    const raw = await channel()
    const empty = async () => (await raw.checkQueue(queue.name)).messageCount === 0
    await until(empty, { what: 'the request to expire' })
    const worker = await consumer({ address: queue, onMessage: (m) => m.ack() })
    await send(queue, { n: 2 })
    await worker.received.reach(1)
    t.strictSame(worker.received.items.map(numberOf), [2])
  })

  t.test('a reply goes to exclusive queues only, and from queues with a result only', async (t) => {
    const bed = bench(t, url)
    const { reply } = await bed.client()
    const [queue, other] = [aQueue('sum'), aQueue('other')]
    const silent = defineQueue(unique('silent'), { data: number })
    const answer = async (incoming: Incoming) => {
      if (incoming.reply) await reply(incoming.reply, Buffer.from('{"sum":1}'))
      incoming.ack()
    }
    const worker = await bed.consumer({ address: queue, onMessage: answer })
    const mute = await bed.consumer({ address: silent as never, onMessage: answer })
    await (await bed.consumer({ address: other })).close()
    const raw = await bed.channel()
    const { queue: exclusive } = await raw.assertQueue('', { exclusive: true })
    const named = await raw.assertQueue(unique('mine'), { exclusive: true })
    const correlationId = 'c-1'
    for (const replyTo of [other.name, `${other.name}.dead`, 'nowhere', exclusive, named.queue]) {
      raw.sendToQueue(queue.name, Buffer.from('{"n":1}'), { replyTo, correlationId })
    }
    raw.sendToQueue(silent.name, Buffer.from('{"n":1}'), { replyTo: exclusive, correlationId })
    await worker.received.reach(5)
    const [message] = await mute.received.reach(1)
    t.equal(message?.reply, undefined)
    for (const asked of [exclusive, named.queue]) {
      await until(async () => (await raw.checkQueue(asked)).messageCount > 0, { what: 'the reply' })
      t.match(await raw.get(asked, { noAck: true }), { properties: { correlationId } })
    }
    const lines = bed.lines.items.filter(({ msg }) => msg === 'a reply is not sent to where its caller asks for it')
    t.equal(lines.length, 3)
    for (const asked of [other.name, `${other.name}.dead`]) t.equal((await raw.checkQueue(asked)).messageCount, 0)
  })

  t.test('the result of a schema with transforms is transformed once, at the caller', async (t) => {
    const bed = bench(t, url)
    const queue = defineQueue(unique('yes'), { data: number, result: z.object({ yes: z.stringbool() }) })
    const { reply } = await bed.client()
    const log = testLog().log
    const definition = defineWorker(queue, { handler: () => ({ yes: 'on' }) })
    const runner = createInlineRunner({ worker: 'w', definition, log, bus: () => ({}) as Bus })
    const { attempts, backoff } = definition
    const nowhere = {
      isolate: async () => {},
      retry: async () => {},
      deadLetter: async () => {},
    }
    const processor = createProcessor({
      worker: 'w',
      concurrency: 1,
      attempts,
      backoff,
      runner,
      sandbox: runner,
      log,
      reply,
      ...nowhere,
    })
    await bed.consumer({ address: queue as never, onMessage: processor.handle })
    t.strictSame(await (await bed.client()).bus().call(queue, { n: 1 }), { yes: true })
  })
}
