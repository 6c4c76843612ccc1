import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { z } from 'zod'
import { defineQueue } from '../../supervisor/base/definitions.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import type { Delivered, PublishingChannel } from '../../supervisor/messaging/link-channel.ts'
import { compiledProject } from '../helpers/compiled-project.ts'
import { foreignProperties, nested } from '../helpers/foreign-properties.ts'
import { bench, unique } from '../helpers/messaging.ts'
import { randomFrom } from '../helpers/random.ts'
import { superviseWorker } from '../helpers/supervised-worker.ts'
import { until } from '../helpers/until.ts'

const FOREIGN = Number(process.env.WARREN_FOREIGN ?? 60)
const SEED = Number(process.env.WARREN_SEED ?? 1)

/** Notes what it has handled; a third fails for good, and a third is tried once more. */
const worker = (queue: string) => `
import { appendFileSync } from 'node:fs'
import { defineQueue, defineWorker, UnrecoverableError } from 'warren'
import { z } from 'zod'

const address = defineQueue('${queue}', { data: z.object({ n: z.int() }), result: z.int() })

export default defineWorker(address, {
  concurrency: 20,
  attempts: 2,
  backoff: { type: 'fixed', delay: 100, jitter: 0 },
  handler: async ({ n }) => {
    if (n % 3 === 1) throw new UnrecoverableError('for good')
    if (n % 3 === 2) throw new Error('once more')
    appendFileSync('handled', n + '\\n')
    return n
  },
})
`

/** What becomes of messages from any client, on any broker: each ends, and takes nobody along. */
export async function foreign(t: Test, url: string): Promise<void> {
  const name = unique('foreign')
  const root = compiledProject(t, { 'workers/foreign.ts': worker(name) })
  const { client } = bench(t, url)
  const { send } = (await client()).bus()
  const address = defineQueue(name, { data: z.object({ n: z.int() }) })
  await send(address, { n: 0 })
  const link = await openLink({ url, name: 'foreign' })
  t.teardown(() => link.close())
  const publishing = await link.confirmChannel()
  const random = randomFrom(SEED)
  const nat = (below: number) => Math.floor(random() * below)

  const supervised = superviseWorker(t, { root, name: 'foreign', url })
  const sent: Promise<unknown>[] = []
  for (let n = 3; n < FOREIGN * 3; n += 3) {
    // A good one, and one from elsewhere whose handler may fail.
    sent.push(send(address, { n }))
    sent.push(publishRaw(publishing, name, foreignProperties(nat), bodyOf(n + nat(3), true)))
  }
  await Promise.all(sent)

  const ready = async (queue: string) =>
    (await link.withChannel((channel) => channel.checkQueue(queue)).catch(() => undefined))?.messageCount ?? 0
  const isDone = async () => (await handled()).length + (await ready(`${name}.dead`)) >= 2 * FOREIGN - 1
  const handled = async () => linesOf(root)
  await until(isDone, { what: 'every message to end', timeout: 60_000 })
  t.equal(await ready(name), 0)
  t.equal(await ready(`${name}.suspects`), 0)
  t.equal(supervised.ended, 0, 'no process has ended')
  const good = Array.from({ length: FOREIGN }, (_, n) => String(n * 3))
  const missing = good.filter((n) => !linesOf(root).includes(n))
  t.same(missing, [], 'every good one was handled')
  const bodies = new Set<string>()
  for (const letter of await take(link, `${name}.dead`)) {
    bodies.add(letter.content.toString())
    const { n } = JSON.parse(letter.content.toString()) as { n: number }
    t.same(letter.content, bodyOf(n, true), 'its body is untouched')
    t.match(letter.properties.headers, {
      'x-dead-reason': n % 3 === 1 ? 'unrecoverable' : 'failed',
      'x-dead-unreadable': undefined,
    })
  }
  t.equal(bodies.size + linesOf(root).length, 2 * FOREIGN - 1, 'each ended once')
  await supervised.stop()

  await t.test("headers that nobody can read are their message's fault", async (t) => {
    // The embedded broker refuses what is nested that deep.
    if (/embedded/.test(t.fullname)) return
    const running = superviseWorker(t, { root, name: 'foreign', url })
    await publishRaw(
      publishing,
      name,
      foreignProperties(() => 0, nested(5_000)),
      bodyOf(0, true),
    )
    await send(address, { n: 999_999 })
    await until(async () => linesOf(root).includes('999999') && (await ready(`${name}.dead`)) === 1, { what: 'both' })
    const [letter] = await take(link, `${name}.dead`)
    t.same(letter?.content, bodyOf(0, true))
    t.match(letter?.properties.headers, { 'x-dead-reason': 'invalid', 'x-dead-message': /headers\.deep/ })
    t.equal(running.ended, 0)
    await running.stop()
  })
}

/** A body that is not written as Warren would. */
const bodyOf = (n: number, isForeign: boolean) => Buffer.from(isForeign ? `{ "n" : ${n} }` : `{"n":${n}}`)

/** Publishes a message whose properties are octets of the test's own. */
export function publishRaw(channel: PublishingChannel, queue: string, raw: Buffer, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const to = { exchange: '', routingKey: queue, properties: { mandatory: true }, raw }
    channel.send(to, body, (error) => (error ? reject(error) : resolve()))
  })
}

/** All messages of a queue, which are gone then. */
function take(link: Awaited<ReturnType<typeof openLink>>, queue: string): Promise<Delivered[]> {
  return link.withChannel(async (channel) => {
    const { messageCount } = await channel.checkQueue(queue)
    const taken: Delivered[] = []
    await channel.consume(queue, (message) => message && taken.push(message), { noAck: true })
    await until(() => taken.length >= messageCount, { what: `${messageCount} messages` })
    return taken
  })
}

const linesOf = (root: string) =>
  existsSync(join(root, 'handled')) ? readFileSync(join(root, 'handled'), 'utf8').trim().split('\n') : []
