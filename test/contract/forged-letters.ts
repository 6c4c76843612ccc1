import type { Test } from 'tap'
import { openLink } from '../../supervisor/messaging/link.ts'
import { headersOf } from '../helpers/dead-letters.ts'
import { foreignProperties } from '../helpers/foreign-properties.ts'
import { aQueue, bench } from '../helpers/messaging.ts'
import { randomFrom } from '../helpers/random.ts'
import { publishRaw } from './foreign.ts'

const FOREIGN = 40
const SEED = Number(process.env.WARREN_SEED ?? 1)

/** Header tables that no worker has written: each of them once made the letters of a whole worker unreadable. */
const FORGED: Record<string, Record<string, unknown>> = {
  'a time beyond the calendar': {
    'x-death': [{ reason: 'expired', time: { '!': 'timestamp', value: 99_999_999_999_999 } }],
  },
  'deaths that are none': { 'x-death': [[{ reason: 'expired' }]] },
  'notes of other types': {
    'x-dead-reason': { '!': 'timestamp', value: 99_999_999_999_999 },
    'x-dead-error': 7,
    'x-dead-message': ['no'],
    'x-dead-stack': true,
    'x-dead-attempts': 'many',
    'x-dead-host': null,
    'x-dead-first-failed-at': 'yesterday',
    'x-dead-last-failed-at': { '!': 'decimal', value: { digits: 15, places: 1 } },
  },
  'texts that fill a frame': { 'x-dead-reason': 'r'.repeat(20_000), 'x-dead-error': '\u0000'.repeat(20_000) },
  'a table that is deep': { deep: nested(60) },
  'numbers of every size': { a: 2 ** 53, b: -(2 ** 40), c: { '!': 'double', value: 1e300 }, d: 0.1 },
  'names of every object': { toString: 'x', constructor: { prototype: 1 }, hasOwnProperty: false, '!': 'timestamp' },
}

/** What is forged in one letter hides none of the others, and does not keep it from being looked at and acted on. */
export async function forgedLetters(t: Test, url: string): Promise<void> {
  t.test('a forged letter is shown with what can be read of it, and the others as ever', async (t) => {
    const { consumer, channel, deadLetters } = bench(t, url)
    const queue = aQueue()
    await (await consumer({ address: queue })).close()
    const raw = await channel()
    const dead = `${queue.name}.dead`
    const put = async (messageId: string, headers: Record<string, unknown>) =>
      raw.sendToQueue(dead, Buffer.from('{}'), { messageId, headers, persistent: true })
    const names = Object.keys(FORGED)
    const ids = names.flatMap((_, n) => [`forged-${n}`, `good-${n}`])
    for (const [n, name] of names.entries()) {
      await put(`forged-${n}`, FORGED[name] as Record<string, unknown>)
      await put(`good-${n}`, headersOf())
    }
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()

    const letters = await deadLetters(['worker', queue])
    const listed: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await letters.list({ limit: 1, after })
      listed.push(...page.deadLetters.map(({ id }) => id))
      if (page.next === null) break
      after = page.next
    }
    t.same(listed, ids, 'page by page, each beginning with a letter that may be forged')
    t.match((await letters.list({ limit: 99, error: 'TypeError' })).deadLetters.length, names.length)
    for (const [n, name] of names.entries()) {
      const shown = JSON.parse(JSON.stringify(await letters.get(`forged-${n}`)))
      t.match(shown, { id: `forged-${n}`, attempts: null, lastFailedAt: null, body: '{}' }, name)
      t.same(Object.keys(shown.headers).sort(), Object.keys(FORGED[name] as object).sort(), 'all of its headers')
    }
    t.match(await letters.remove('forged-0'), { id: 'forged-0' })
    t.match(await letters.redrive('forged-1'), { id: 'forged-1' })
    t.same(await letters.redriveAll({}), { redriven: ids.length - 2, skipped: [] })
    t.equal((await raw.checkQueue(queue.name)).messageCount, ids.length - 1)
    t.equal(await letters.purge(), 0)
  })
}

/** Letters with properties and headers of every field type, as raw octets: ids that are no UTF-8, tables that end too early. */
export async function foreignLetters(t: Test, url: string): Promise<void> {
  t.test(`letters with any properties are listed, shown, redriven and removed (seed ${SEED})`, async (t) => {
    const { consumer, channel, deadLetters } = bench(t, url)
    const queue = aQueue()
    await (await consumer({ address: queue })).close()
    const raw = await channel()
    const dead = `${queue.name}.dead`
    const link = await openLink({ url, name: 'foreign' })
    const publishing = await link.confirmChannel()
    const random = randomFrom(SEED)
    for (let n = 0; n < FOREIGN; n++) {
      await publishRaw(
        publishing,
        dead,
        foreignProperties((below) => Math.floor(random() * below)),
        Buffer.from(`${n}`),
      )
      raw.sendToQueue(dead, Buffer.from('{}'), { messageId: `good-${n}`, headers: headersOf(), persistent: true })
    }
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
    await link.close()

    const letters = await deadLetters(['worker', queue])
    const ids: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await letters.list({ limit: 7, after })
      ids.push(...page.deadLetters.map(({ id }) => id))
      if (page.next === null) break
      after = page.next
    }
    t.equal(ids.length, 2 * FOREIGN)
    t.equal(ids.filter((id) => id.startsWith('good-')).length, FOREIGN)
    for (const id of ids.filter((id) => !id.startsWith('good-')).slice(0, 10)) {
      t.equal(JSON.parse(JSON.stringify(await letters.get(id))).id, id)
    }
    t.ok(await letters.remove(ids[0] as string))
    t.ok(await letters.redrive(ids.find((id) => !id.startsWith('good-') && id !== ids[0]) as string))
    t.same(await letters.redriveAll({}), { redriven: 2 * FOREIGN - 2, skipped: [] })
    t.equal((await raw.checkQueue(queue.name)).messageCount, 2 * FOREIGN - 1)
  })
}

function nested(depth: number): unknown {
  return depth === 0 ? 'bottom' : { inner: nested(depth - 1) }
}
