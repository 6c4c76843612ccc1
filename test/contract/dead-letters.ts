import type { Test } from 'tap'
import { recordOf } from '../../supervisor/base/error-record.ts'
import { deadLetterHeaders } from '../../supervisor/execution/settlement.ts'
import { headersOf } from '../helpers/dead-letters.ts'
import { aQueue, bench } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

/** What a dead letter is on any broker. */
export async function deadLetters(t: Test, url: string): Promise<void> {
  t.test('a dead letter keeps its body and headers, gets the reason, and never expires', async (t) => {
    const { client, consumer, channel } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue })
    const raw = await channel()
    const headers = { colour: 'green', CC: ['elsewhere'], 'x-death': 'nonsense', 'x-first-death-wish': 'none' }
    raw.sendToQueue(queue.name, Buffer.from('not JSON'), { messageId: 'm-1', expiration: 60_000, headers, type: 'odd' })
    const [incoming] = await worker.received.reach(1)
    if (!incoming) return t.fail('expected a message')
    const facts = {
      reason: 'invalid',
      error: recordOf(new TypeError('no')),
      attempts: 1,
      worker: 'w',
      host: 'h',
      at: new Date(),
    } as const
    await (await client()).deadLetter(incoming, deadLetterHeaders({ ...facts, before: {} }), { bare: false })
    incoming.ack()
    await worker.close()

    const dead = await raw.get(`${queue.name}.dead`, { noAck: true })
    if (!dead) return t.fail('expected a dead letter')
    t.equal(dead.content.toString(), 'not JSON')
    t.match(dead.properties, { messageId: 'm-1', type: 'odd', deliveryMode: 2, expiration: undefined })
    t.match(dead.properties.headers, {
      colour: 'green',
      'x-first-death-wish': 'none',
      'x-dead-reason': 'invalid',
      'x-dead-error': 'TypeError',
      'x-dead-message': 'no',
      'x-dead-stack': /^TypeError: no\n/,
      'x-dead-attempts': 1,
      'x-dead-worker': 'w',
      'x-dead-host': 'h',
    })
    t.notOk(dead.properties.headers?.CC, 'it is not sent elsewhere once more')
    t.equal((await raw.checkQueue(queue.name)).messageCount, 0)
  })

  t.test("each redrive is a further life; what the sender wrote stays, its contract's version among it", async (t) => {
    const { client, consumer, channel, deadLetters } = bench(t, url)
    const queue = aQueue()
    const worker = await consumer({ address: queue })
    const { deadLetter } = await client()
    const letters = await deadLetters(['worker', queue])
    const headers = { 'x-dead-line': 'friday', 'x-dead-letterbox': 7, 'x-version': 3, 'x-due': 1_800_000_000_000 }
    ;(await channel()).sendToQueue(queue.name, Buffer.from('{}'), { messageId: 'm-1', headers })
    for (const life of [1, 2]) {
      const incoming = (await worker.received.reach(life))[life - 1]
      if (!incoming) return t.fail('expected a message')
      await deadLetter(incoming, headersOf(), { bare: false })
      incoming.ack()
      const again = () => letters.redrive('m-1').then(() => worker.received.reach(life + 1))
      await until(() => again().then(Boolean, () => false), { what: 'the letter' })
      t.same(worker.received.items[life]?.properties.headers, {
        'x-dead-line': 'friday',
        'x-dead-letterbox': 7,
        'x-version': 3,
        'x-attempt': 1,
        'x-life': life,
      })
    }
    worker.received.items[2]?.ack()
  })

  t.test(
    'its queue is declared again where somebody deleted it; headers that do not fit are left out and named',
    async (t) => {
      const { client, consumer, channel } = bench(t, url)
      const queue = aQueue()
      const worker = await consumer({ address: queue })
      const raw = await channel()
      await raw.deleteQueue(`${queue.name}.dead`)
      const headers = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`h${i}`, 'x'.repeat(1_000)]))
      raw.sendToQueue(queue.name, Buffer.from('{}'), { messageId: 'm-1', headers })
      const [incoming] = await worker.received.reach(1)
      if (!incoming) return t.fail('expected a message')
      const { deadLetter } = await client()
      const next = () => raw.get(`${queue.name}.dead`, { noAck: true })
      // All headers together may be as large as a frame.
      await deadLetter(incoming, { 'x-dead-reason': 'failed', 'x-dead-stack': 'x'.repeat(8_000) }, { bare: false })
      t.match(await next(), { properties: { messageId: 'm-1', headers: { 'x-dead-reason': 'failed', ...headers } } })
      const added = { 'x-dead-reason': 'failed', 'x-dead-stack': 'x'.repeat(80_000) }
      await deadLetter(incoming, added, { bare: false })
      const left = { 'x-dead-unreadable': 'headers', h0: undefined }
      t.match(await next(), { properties: { messageId: 'm-1', headers: { ...added, ...left } } })
      await deadLetter(incoming, added, { bare: true })
      t.match(await next(), { properties: { messageId: 'm-1', headers: { ...added, h0: undefined } } })
    },
  )
}
