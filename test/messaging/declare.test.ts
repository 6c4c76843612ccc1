import t from 'tap'
import { declare, declareOn } from '../../supervisor/messaging/declare.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import type { Declaration } from '../../supervisor/messaging/topology.ts'
import { testBroker } from '../helpers/broker.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { unique } from '../helpers/messaging.ts'

const durable = { durable: true }

t.test('declarations are sent without waiting for each other, and share a commit of the broker', async (t) => {
  const broker = await startEmbedded(t)
  const link = await openLink({ url: broker.url, name: 'test' })
  const queues = (): Declaration[] =>
    Array.from({ length: 40 }, () => ({ kind: 'queue', name: unique('q'), options: durable }))
  const channel = await link.channel()
  const oneByOne = await timed(async () => {
    for (const declaration of queues()) await declareOn(channel, [declaration])
  })
  const together = await timed(() => declare(link, queues()))
  t.ok(together < oneByOne / 3, `together ${together.toFixed(0)} ms, one by one ${oneByOne.toFixed(0)} ms`)
  await link.close()
})

t.test('the first that is refused is the reason, and what is behind it is not declared', async (t) => {
  const { url } = await testBroker(t)
  const link = await openLink({ url, name: 'test' })
  const [first, second, third] = [unique('first'), unique('second'), unique('third')]
  const queue = (name: string): Declaration => ({ kind: 'queue', name, options: durable })
  const taken: Declaration = { kind: 'exchange', name: 'amq.direct', type: 'fanout', options: durable }
  const binding: Declaration = { kind: 'binding', queue: first, exchange: 'amq.topic', key: 'k' }
  const other: Declaration = { kind: 'binding', queue: unique('missing'), exchange: 'amq.topic', key: 'k' }
  await declare(link, [queue(first), binding, queue(second)])
  await t.rejects(declare(link, [queue(first), taken, other, queue(third)]), { code: 406, message: /amq\.direct/ })
  await t.rejects(declare(link, [other, taken]), { code: 404 })
  t.equal(link.lost.aborted, false, 'the link goes on')
  const ask = (name: string) => link.withChannel((channel) => channel.checkQueue(name))
  t.match(await ask(second), { messageCount: 0 })
  await t.rejects(ask(third), { code: 404 })
  for (const name of [first, second]) await link.withChannel((channel) => channel.deleteQueue(name))
  await link.close()
})

async function timed(action: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}
