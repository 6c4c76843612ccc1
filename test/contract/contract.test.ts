import t from 'tap'
import { bodies } from './bodies.ts'
import { brokers } from './brokers.ts'
import { calls } from './calls.ts'
import { contract } from './contract.ts'
import { deadLetters } from './dead-letters.ts'
import { drains } from './drains.ts'
import { frames, strict } from './frames.ts'
import { outage } from './outage.ts'
import { prefetch } from './prefetch.ts'

t.setTimeout(300_000)
for (const { name, skip, start } of brokers) {
  t.test(`the contract on ${name}`, { skip }, async (t) => {
    t.setTimeout(180_000)
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
}
