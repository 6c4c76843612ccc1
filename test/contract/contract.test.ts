import { bodies } from './bodies.ts'
import { onEveryBroker } from './brokers.ts'
import { calls } from './calls.ts'
import { contract } from './contract.ts'
import { deadLetters } from './dead-letters.ts'
import { drains } from './drains.ts'
import { frames, strict } from './frames.ts'
import { outage } from './outage.ts'
import { prefetch } from './prefetch.ts'

onEveryBroker('the contract', 400_000, async (t, { start }) => {
  const broker = await start(t)
  // Every octet that Warren sends goes by a strict reader of frames.
  const { proxy, url } = await strict(t, broker.url)
  await t.test('messaging', (t) => contract(t, url))
  await t.test('bodies', async (t) => bodies(t, url))
  await t.test('prefetch', async (t) => prefetch(t, url))
  await t.test('calls', (t) => calls(t, url))
  await t.test('dead letters', (t) => deadLetters(t, url))
  t.same(proxy.violations, [], 'nothing but whole frames was sent')
  await t.test('frames', async (t) => frames(t, broker.url))
  await t.test('drains', (t) => drains(t, broker.url))
  await t.test('outages', (t) => outage(t, broker))
})
