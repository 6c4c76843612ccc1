import type { Channel } from 'amqplib'
import type { Test } from 'tap'
import {
  DeadLetterError,
  DeadLettersBusyError,
  UnroutableError,
  ValidationError,
} from '../../supervisor/base/errors.ts'
import { openDeadLetters } from '../../supervisor/messaging/dead-letters.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import { visitQueue } from '../../supervisor/messaging/visit.ts'
import { FAILED_AT as AT, headersOf } from '../helpers/dead-letters.ts'
import { aFanout, aQueue, bench, numberOf } from '../helpers/messaging.ts'
import { until } from '../helpers/until.ts'

/** A thousand take a minute on each broker: `npm run test:looks`. */
const LOOKS = Number(process.env.WARREN_LOOKS ?? 100)
/** Those that are listed page by page; five times as many there. */
const LETTERS = LOOKS >= 1_000 ? 10_000 : 2_000

/** Puts letters into a queue of dead letters: `m-0`, `m-1`, … */
async function fill(channel: Channel, queue: string, count: number, nameOf: (n: number) => string = () => 'TypeError') {
  for (let n = 0; n < count; n++) {
    const headers = { 'x-attempt': 5, colour: 'green', ...headersOf(nameOf(n)) }
    const properties = { messageId: `m-${n}`, type: 'odd', priority: 3, persistent: true, headers }
    channel.sendToQueue(queue, Buffer.from(`{"n":${n}}`), properties)
  }
  await (channel as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `m-${from + i}`)

/** What one can do with dead letters on any broker. */
export async function deadLetterOperations(t: Test, url: string): Promise<void> {
  /** A queue with its worker gone, and its dead letters. */
  async function prepared(t: Test, count: number, nameOf?: (n: number) => string) {
    const used = bench(t, url)
    const queue = aQueue()
    await (await used.consumer({ address: queue })).close()
    const raw = await used.channel()
    const dead = `${queue.name}.dead`
    await fill(raw, dead, count, nameOf)
    return { ...used, queue, raw, dead, letters: await used.deadLetters(['worker', queue]) }
  }

  t.test('a list tells what a worker wrote, and leaves everything as it is', async (t) => {
    const { letters, dead, raw } = await prepared(t, 3)
    const page = await letters.list({ limit: 10 })
    t.equal(page.next, null)
    t.same(
      page.deadLetters.map(({ id }) => id),
      ids(0, 3),
    )
    t.same(page.deadLetters[0], {
      id: 'm-0',
      worker: 'worker',
      queue: dead,
      reason: 'failed',
      error: 'TypeError',
      message: 'no TypeError',
      attempts: 5,
      host: 'h',
      firstFailedAt: AT,
      lastFailedAt: AT,
      bytes: 7,
    })
    const all = await letters.get('m-1')
    t.match(all, { id: 'm-1', body: '{"n":1}', encoding: 'utf8', stack: /no TypeError\n/ })
    t.match(all, { headers: { colour: 'green', 'x-delivery-count': undefined }, properties: { type: 'odd' } })
    t.equal((await raw.checkQueue(dead)).messageCount, 3)
    await t.rejects(letters.get('m-3'), { code: 'WARREN_DEAD_LETTER_NOT_FOUND' })
    await t.rejects(letters.list({ limit: 1, worker: 'wroker' }), /found 'wroker' \(did you mean 'worker'\?\)/)
    await t.rejects(letters.list({ limit: 1, after: 'nonsense' }), ValidationError)
  })

  t.test('what the broker itself gave up is told as well', async (t) => {
    const { letters, queue, raw, dead } = await prepared(t, 0)
    const count = 21
    raw.sendToQueue(queue.name, Buffer.from([0xff]), { headers: { colour: 'red' } })
    for (let delivery = 0; delivery < count; delivery++) {
      const message = await raw.get(queue.name)
      if (!message) return t.fail(`expected delivery ${delivery}`)
      // From RabbitMQ 4.3 on, what is nacked does not count towards the limit.
      raw.reject(message)
    }
    await visible(raw, dead, 1)
    const [letter] = (await letters.list({ limit: 10 })).deadLetters
    t.match(letter, { reason: 'delivery_limit', error: null, attempts: null, bytes: 1, id: /^sha256-[0-9a-f]{32}$/ })
    t.ok(Math.abs(Date.parse(letter?.lastFailedAt ?? '') - Date.now()) < 60_000, letter?.lastFailedAt ?? 'no time')
    // It has no id of its own, and is found by the same one again.
    t.match(await letters.get(letter?.id as string), { body: '/w==', encoding: 'base64', headers: { colour: 'red' } })
    await letters.redrive(letter?.id as string)
    const redriven = await raw.get(queue.name)
    if (!redriven) return t.fail('expected it in its queue')
    const { 'x-delivery-count': count0, 'x-acquired-count': _, ...headers } = redriven.properties.headers ?? {}
    t.same(headers, { colour: 'red', 'x-attempt': 1, 'x-life': 1 })
    t.notOk(count0, 'it was not delivered before')
    t.not(redriven.properties.messageId, letter?.id)
    t.equal(redriven.fields.redelivered, false)
  })

  t.test(`${LOOKS} looks lose nothing, and do not change the order`, async (t) => {
    const { letters, dead, raw } = await prepared(t, 30)
    // Most of them as a visitor that shares a connection makes them, which is the same and faster.
    const link = await openLink({ url, name: 'test' })
    t.teardown(() => link.close())
    for (let look = 20; look < LOOKS; look++) {
      await visitQueue(link, dead, (_, index) => ({ stop: index === look % 7 }), { want: (look % 7) + 1 })
    }
    for (let look = 0; look < 20; look++) await letters.list({ limit: 1 + look })
    const { deadLetters } = await letters.list({ limit: 100 })
    t.same(
      deadLetters.map(({ id }) => id),
      ids(0, 30),
    )
    t.equal((await raw.checkQueue(dead)).messageCount, 30)
  })

  t.test(`${LETTERS} are listed page by page, in order`, async (t) => {
    const { letters, raw, dead } = await prepared(t, LETTERS)
    const found: string[] = []
    let after: string | undefined
    const times: number[] = []
    for (let size = 50; ; size = LETTERS / 10) {
      const start = performance.now()
      const { deadLetters, next } = await letters.list({ limit: size, after })
      times.push(Math.round(performance.now() - start))
      found.push(...deadLetters.map(({ id }) => id))
      if (next === null) break
      after = next
    }
    t.same(found, ids(0, LETTERS))
    t.equal((await raw.checkQueue(dead)).messageCount, LETTERS)
    const start = performance.now()
    t.same(await letters.redriveAll({}), { redriven: LETTERS, skipped: [] })
    t.comment(`pages: ${times.join(', ')} ms; redrive of all: ${Math.round(performance.now() - start)} ms`)
  })

  t.test('pages go on where they ended, whatever was removed in front of them meanwhile', async (t) => {
    const { letters } = await prepared(t, 10)
    const first = await letters.list({ limit: 4 })
    await letters.remove('m-1')
    await letters.remove('m-3')
    const second = await letters.list({ limit: 4, after: first.next ?? '' })
    t.same(
      second.deadLetters.map(({ id }) => id),
      ids(4, 8),
    )
    await letters.remove('m-8')
    await t.rejects(letters.list({ limit: 4, after: second.next ?? '' }), { code: 'WARREN_DEAD_LETTER_GONE' })
  })

  t.test('two at the same time see everything, one after the other', async (t) => {
    const { letters, dead } = await prepared(t, 500)
    const pages = await Promise.all([1, 2, 3, 4, 5].map(() => letters.list({ limit: 500 })))
    for (const { deadLetters } of pages) {
      t.same(
        deadLetters.map(({ id }) => id),
        ids(0, 500),
      )
    }
    // One that stays too long is told of, instead of an empty list.
    const [holder, other] = await Promise.all([openLink({ url, name: 'a' }), openLink({ url, name: 'b' })])
    t.teardown(() => Promise.all([holder.close(), other.close()]))
    let leave = () => {}
    const left = new Promise<object>((resolve) => {
      leave = () => resolve({ stop: true })
    })
    const entered = new Promise<void>((resolve) => {
      void visitQueue(holder, dead, () => {
        resolve()
        return left
      })
    })
    await entered
    const visit = () => ({ stop: t.fail('nobody else gets in') })
    await t.rejects(visitQueue(other, dead, visit, { patience: 300 }), DeadLettersBusyError)
    leave()
    // One that ends without a word is not in the way either.
    const lost = await openLink({ url, name: 'c' })
    await new Promise<void>((resolve) => {
      const never = new Promise<object>(() => {})
      const enter = () => {
        resolve()
        return never
      }
      visitQueue(lost, dead, enter).catch(() => {})
    })
    lost.fail(new Error('killed'))
    t.equal((await letters.list({ limit: 500 })).deadLetters.length, 500)
  })

  t.test('a consumer of somebody else is told of', async (t) => {
    const { dead, raw } = await prepared(t, 1)
    await raw.consume(dead, () => {})
    const link = await openLink({ url, name: 'test' })
    t.teardown(() => link.close())
    const visited = visitQueue(link, dead, () => ({}), { patience: 100 })
    await t.rejects(visited, /something else consumes it/)
  })

  t.test('a redrive is as if it had never been tried, and goes to one subscriber alone', async (t) => {
    const { consumer, channel, deadLetters } = bench(t, url)
    const fanout = aFanout()
    const failing = await consumer({ address: fanout, worker: 'failing', onMessage: (m) => m.ack() })
    const well = await consumer({ address: fanout, worker: 'well', onMessage: (m) => m.ack() })
    const raw = await channel()
    await fill(raw, `${fanout.name}.failing.dead`, 1)
    await fill(raw, `${fanout.name}.well.dead`, 1)
    const letters = await deadLetters(['well', fanout], ['failing', fanout])
    await t.rejects(letters.redrive('m-0'), { code: 'WARREN_DEAD_LETTER_AMBIGUOUS', message: /failing, well/ })
    t.match(await letters.redrive('m-0', 'failing'), { id: 'm-0', worker: 'failing' })
    const [incoming] = await failing.received.reach(1)
    t.match(incoming, { id: 'm-0', attempt: 1, properties: { type: 'odd', priority: 3 } })
    t.same(incoming?.properties.headers, { 'x-attempt': 1, 'x-life': 1, colour: 'green' })
    t.equal(incoming && numberOf(incoming), 0)
    t.equal(well.received.items.length, 0)
    t.match(await letters.list({ limit: 9 }), { deadLetters: [{ id: 'm-0', worker: 'well' }], next: null })
  })

  t.test('a redrive of some keeps the order of the others; one that fails keeps its letter', async (t) => {
    const { letters, raw, queue } = await prepared(t, 900, (n) => (n % 3 === 0 ? 'RangeError' : 'TypeError'))
    const progress: number[] = []
    t.match(await letters.redriveAll({ error: 'RangeError' }, (count) => progress.push(count)), { redriven: 300 })
    t.same(
      progress,
      [...Array(300).keys()].map((n) => n + 1),
    )
    t.equal((await raw.checkQueue(queue.name)).messageCount, 300)
    const rest = ids(0, 900).filter((_, n) => n % 3 !== 0)
    const listed = async () => (await letters.list({ limit: 900 })).deadLetters.map(({ id }) => id)
    t.same(await listed(), rest)

    await raw.deleteQueue(queue.name)
    t.match(await letters.redrive('m-1'), { id: 'm-1' }, 'a queue that was deleted is declared again')
    t.equal((await raw.checkQueue(queue.name)).messageCount, 1)
    t.same(await listed(), rest.slice(1))

    // Where there is something else under its name, the copy has nowhere to go.
    await raw.deleteQueue(queue.name)
    const refuse = async () => Promise.reject(new UnroutableError(queue.name, ''))
    const places = [{ name: 'worker', address: queue, subscription: 'group' as const }]
    const options = { urls: [url], name: 'test', workers: async () => places }
    await t.rejects(openDeadLetters({ ...options, redrive: refuse }).redriveAll({}), UnroutableError)
    t.same(await listed(), rest.slice(1))
    // One that fails does not take those with it that were confirmed, and ends the rest.
    let sent = 0
    const crash = async () => {
      if (++sent === 100) throw new Error('killed')
    }
    await t.rejects(openDeadLetters({ ...options, redrive: crash }).redriveAll({}), /killed/)
    const left = await listed()
    t.ok(left.length >= 599 - 250 && left.length < 599 && left.includes('m-899'), `${left.length} are left`)
    t.same(
      left,
      rest.filter((id) => left.includes(id)),
      'in their order',
    )
  })

  t.test('a letter whose process is gone for good can be looked at and removed, not redriven', async (t) => {
    const { consumer, channel, deadLetters } = bench(t, url)
    const fanout = aFanout()
    await (await consumer({ address: fanout, worker: 'each', subscription: 'instance' })).close()
    await fill(await channel(), `${fanout.name}.each.dead`, 2)
    const letters = await deadLetters(['each', fanout, 'instance'])
    await t.rejects(letters.redrive('m-0'), { code: 'WARREN_DEAD_LETTER_HELD' })
    await t.rejects(letters.redriveAll({ worker: 'each' }), DeadLetterError)
    t.same(await letters.redriveAll({}), { redriven: 0, skipped: ['each'] })
    t.match(await letters.remove('m-0'), { id: 'm-0' })
    t.equal(await letters.purge('each'), 1)
    t.same(await letters.list({ limit: 1 }), { deadLetters: [], next: null })
  })

  t.test('a worker that never ran has none', async (t) => {
    const letters = await bench(t, url).deadLetters(['never', aQueue()])
    t.same(await letters.list({ limit: 1 }), { deadLetters: [], next: null })
    t.equal(await letters.purge(), 0)
    t.match(await letters.redriveAll({}), { redriven: 0 })
  })
}

async function visible(raw: Channel, queue: string, count: number): Promise<void> {
  await until(async () => (await raw.checkQueue(queue)).messageCount === count, { what: `${count} in ${queue}` })
}
