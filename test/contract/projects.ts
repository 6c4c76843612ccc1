import type { Test } from 'tap'
import { openLink } from '../../supervisor/messaging/link.ts'
import { compactRegistry, readRegistry } from '../../supervisor/messaging/read-registry.ts'
import { type Entry, keyOf, writePages } from '../../supervisor/messaging/registry-entries.ts'
import { REGISTRY } from '../../supervisor/messaging/topology.ts'
import { aFanout, aQueue, bench } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

/** The project of these tests. A broker's place belongs to the first one that comes. */
export const project = '@team/shop'

/** Whose a broker is, and what it knows of what was declared. */
export async function projects(t: Test, url: string): Promise<void> {
  const entries = async (): Promise<Entry[]> => {
    const link = await openLink({ url, name: 'test' })
    try {
      return await readRegistry(link)
    } finally {
      await link.close()
    }
  }
  const keys = async () => (await entries()).map((entry) => keyOf(entry))

  t.test('another project is refused in words, until it says that it is the same one', async (t) => {
    const { client, consumer } = bench(t, url)
    await client({ project })
    await client({ project })
    for (const other of [
      await client({ project: 'rails', wait: false }),
      await consumer({ project: 'rails', wait: false, address: aQueue() }),
    ]) {
      await until(() => other.state.code !== undefined, { what: 'the refusal' })
      t.match(other.state, {
        status: 'waiting',
        code: 'WARREN_OTHER_PROJECT',
        reason:
          /belongs to project '@team\/shop', and this is project 'rails'.*"warren": \{ "project": "@team\/shop" \}/,
      })
    }
  })

  t.test('what senders and workers declare is noted, once for each process', async (t) => {
    const { client, channel } = bench(t, url)
    const [queue, fanout] = [aQueue(), aFanout()]
    const sender = await client({ project })
    const count = async () => (await (await channel()).checkQueue(REGISTRY)).messageCount
    await until(() => count().then(Number.isInteger, () => false), { what: 'the registry' })
    const before = await count()
    for (let n = 0; n < 3; n++) await sender.bus().send(queue, { n })
    await sender.bus().publish(fanout, { n: 1 }, { mandatory: false })
    sender.register({ name: 'thumbnail', address: queue, subscription: 'group' })
    sender.register({ name: 'history', address: fanout, subscription: 'instance' })
    await sender.close()
    const found = (await keys()).filter((key) => key.includes(queue.name) || key.includes(fanout.name))
    t.same(found.sort(), [
      `fanout ${fanout.name}  `,
      `fanout ${fanout.name} history instance`,
      `queue ${queue.name}  `,
      `queue ${queue.name} thumbnail group`,
    ])
    // Whoever goes without a project, as another application does, notes nothing.
    const foreign = await client()
    const unnoted = aQueue()
    await foreign.bus().send(unnoted, { n: 1 })
    await foreign.close()
    t.notOk((await keys()).some((key) => key.includes(unnoted.name)))
    t.ok((await count()) - before <= 4, 'four messages at most for three sends, a publish and two workers')
  })

  t.test('many that start together wait for nobody; put together, none is lost, while others write', async (t) => {
    const { client, channel } = bench(t, url)
    const raw = await channel()
    const before = (await raw.checkQueue(REGISTRY)).messageCount
    const starting = Array.from({ length: 12 }, async (_, n) => {
      const one = await client({ project })
      for (let m = 0; m < 20; m++) {
        const address = { kind: 'queue', name: `many-${n}-${m}` } as const
        one.register({ name: `worker-${m}`, address, subscription: 'group' })
      }
      // Meanwhile, others put together what is there, or find that somebody is at it.
      if (n % 3 === 0) await compactRegistry([url], 'test').catch((error) => t.match(error, { code: /BUSY/ }))
      await one.close()
    })
    await Promise.all(starting)
    const found = (await keys()).filter((key) => key.startsWith('queue many-'))
    t.equal(found.length, 2 * 12 * 20)
    // Hundreds of starts later.
    const old = { kind: 'queue', worker: 'old', subscription: 'group', at: '2026-11-01T00:00:00.000Z' } as const
    for (let n = 0; n < 300; n++) {
      const [page] = writePages([{ ...old, name: `old-${n % 150}` }])
      raw.sendToQueue(REGISTRY, page?.body as Buffer, { messageId: page?.id as string, persistent: true })
    }
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
    const compacting = Promise.allSettled(Array.from({ length: 3 }, () => compactRegistry([url], 'test')))
    const late = await client({ project })
    late.register({ name: 'late', address: { kind: 'queue', name: 'many-late' }, subscription: 'group' })
    await late.close()
    t.ok((await compacting).some(({ status }) => status === 'fulfilled'))
    const after = (await raw.checkQueue(REGISTRY)).messageCount
    t.ok(after <= 100, `${before} messages, then ${after} instead of over 300`)
    const all = await keys()
    t.equal(all.filter((key) => key.startsWith('queue many-')).length, 2 * 12 * 20 + 2)
    t.equal(all.filter((key) => key.startsWith('queue old-')).length, 150)
  })

  t.test('one that was deleted is filled again, and what is forged or later in it does no harm', async (t) => {
    const { client, channel } = bench(t, url)
    const raw = await channel()
    const one = await client({ project })
    one.register({ name: 'again', address: aQueue('again'), subscription: 'group' })
    await until(async () => (await keys()).some((key) => key.includes(' again group')), { what: 'the entry' })
    await raw.deleteQueue(REGISTRY)
    t.same(await keys(), [])
    // What it was told it says again over its next connection, as after the loss of the broker's disk.
    const two = await client({ project })
    two.register({ name: 'again', address: { kind: 'queue', name: 'again-2' }, subscription: 'group' })
    await until(async () => (await keys()).includes('queue again-2 again group'), { what: 'the entry' })

    const forged = [
      '',
      'null',
      '[]',
      '{"entries":7}',
      '{"entries":[{"kind":"queue","name":"amq.gen-1","worker":null}]}',
    ]
    for (const body of forged) raw.sendToQueue(REGISTRY, Buffer.from(body))
    raw.sendToQueue(REGISTRY, Buffer.from('{"entries":[{"kind":"schedule","name":"nightly"}]}'), { messageId: 'later' })
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
    const link = await openLink({ url, name: 'test' })
    t.teardown(() => link.close())
    const kept = await readRegistry(link, { forget: ({ name }) => name === 'again-2' })
    t.notOk(kept.some(({ name }) => name === 'again-2'))
    t.notOk(
      (await keys()).some((key) => key.includes('again-2')),
      'what is forgotten is gone for the next one too',
    )
    const left: string[] = []
    for (let message = await raw.get(REGISTRY); message; message = await raw.get(REGISTRY)) {
      left.push(message.content.toString())
    }
    t.ok(left.includes('{"entries":[{"kind":"schedule","name":"nightly"}]}'), 'what a later version wrote stays')
  })
}
