import t from 'tap'
import { declare } from '../../supervisor/messaging/declare.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import type { Declaration } from '../../supervisor/messaging/topology.ts'
import { testBroker } from '../helpers/broker.ts'
import { unique } from '../helpers/messaging.ts'
import { startScriptedBroker } from '../helpers/scripted-broker.ts'
import { until } from '../helpers/until.ts'

const durable = { durable: true }

t.test('declarations are sent without waiting for the answers to those before', async (t) => {
  const broker = await startScriptedBroker(t)
  broker.unanswered = 'queue.declare'
  const link = await openLink({ url: broker.url, name: 'test' })
  const queues = ['a', 'b', 'c'].map((name): Declaration => ({ kind: 'queue', name, options: durable }))
  const declaring = declare(link, queues)
  await until(() => broker.asked.filter((name) => name === 'queue.declare').length === 3, { what: 'all three' })
  link.fail(new Error('over'))
  await t.rejects(declaring, { message: 'over' })
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
