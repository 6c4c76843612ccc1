import type { Test } from 'tap'
import type { WorkerPlace } from '../../supervisor/base/dead-letters.ts'
import { openDeadLetters } from '../../supervisor/messaging/dead-letters.ts'
import { openOrphans } from '../../supervisor/messaging/orphans.ts'
import { headersOf } from '../helpers/dead-letters.ts'
import { aFanout, aQueue, bench, numberOf } from '../helpers/messaging.ts'
import { project } from './projects.ts'

const none = { limit: 99 }

/** What becomes of queues whose workers are gone. */
export async function orphans(t: Test, url: string): Promise<void> {
  const { list, prune, pruneEmpty, delayed } = openOrphans({ urls: [url], name: 'test', project })

  /** A worker that ran once, with its queue. */
  async function ran(t: Test, place: WorkerPlace, address: ReturnType<typeof aQueue> | ReturnType<typeof aFanout>) {
    const used = bench(t, url)
    const client = await used.client({ project })
    client.register(place)
    const { name: worker, subscription } = place
    await (await used.consumer({ address, worker, subscription, project })).close()
    await client.close()
    return used
  }

  const names = async (workers: WorkerPlace[]) => (await list(workers)).map(({ name }) => name)

  t.test('what no worker stands for any more is found, with what it holds, and nothing else', async (t) => {
    const [queue, fanout, sent] = [aQueue('gone'), aFanout('news'), aQueue('sent')]
    const group = { name: 'former', address: fanout, subscription: 'group' } as const
    const worker = { name: 'images', address: queue, subscription: 'group' } as const
    const { channel, client } = await ran(t, worker, queue)
    await ran(t, group, fanout)
    const raw = await channel()
    // Of another application, with a name as ours have them.
    await raw.assertQueue(`${queue.name}-foreign`, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    t.teardown(() => raw.deleteQueue(`${queue.name}-foreign`))
    const sender = await client({ project })
    await sender.bus().send(sent, { n: 1 })
    await sender.bus().publish(fanout, { n: 1 })
    raw.sendToQueue(`${queue.name}.dead`, Buffer.from('{}'), { messageId: 'm-1', headers: headersOf() })
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
    await sender.close()

    t.same(await list([worker, group, { ...worker, name: 'sent', address: sent }]), [])
    const found = await list([])
    t.match(found, [
      { name: queue.name, worker: 'images', waiting: 0, suspects: 0, dead: 1, consumers: 0 },
      { name: `${fanout.name}.former`, worker: 'former', address: { kind: 'fanout' }, waiting: 1, dead: 0 },
      { name: sent.name, worker: null, waiting: 1, dead: 0 },
    ])
    t.equal(found.length, 3)
    // A worker of that name with another address: both are there, and have names of their own.
    const renamed = { ...worker, name: queue.name, address: aQueue() }
    t.same(await names([renamed, group]), [`queue:${queue.name}`, sent.name].sort())
    // The same worker with a queue for each process: the former queue fills up, and its dead letters go on.
    const each = { ...group, subscription: 'instance' } as const
    t.match(await list([worker, each]), [{ name: `${fanout.name}.former`, dead: null }, { name: sent.name }])

    // What is empty goes; the others only by name, and by force.
    await raw.purgeQueue(sent.name)
    t.match(await pruneEmpty([]), [
      { orphan: { queue: queue.name }, isRemoved: false, reason: 'it has 1 message' },
      { orphan: { queue: `${fanout.name}.former` }, isRemoved: false, reason: 'it has 1 message' },
      { orphan: { queue: sent.name }, isRemoved: true },
    ])
    t.same(await names([]), [queue.name, `${fanout.name}.former`])
    await t.rejects(
      prune([], sent.name, { force: false }),
      /Expected an orphan of this project \(gone-\w+, news-\w+\.former\)/,
    )
    await t.rejects(prune([worker], queue.name, { force: true }), { code: 'WARREN_ORPHAN' }, 'a worker stands for it')
    await t.rejects(prune([], `${queue.name}-foreign`, { force: true }), { code: 'WARREN_ORPHAN' }, 'not ours')
    t.match(await prune([], `${fanout.name}.former`, { force: false }), {
      isRemoved: false,
      reason: 'it has 1 message',
    })
    // It is bound as before.
    const other = await client({ project })
    await other.bus().publish(fanout, { n: 2 })
    t.equal((await raw.checkQueue(`${fanout.name}.former`)).messageCount, 2)
    t.match(await prune([], `${fanout.name}.former`, { force: true }), { isRemoved: true })
    await t.rejects(other.bus().publish(fanout, { n: 3 }), { code: 'WARREN_UNROUTABLE' }, 'nobody gets it any more')
    t.match(await prune([], queue.name, { force: true }), { isRemoved: true, orphan: { dead: 1 } })
    t.same(await list([]), [])
    t.same(await pruneEmpty([]), [])
  })

  t.test('what somebody consumes stays, as a worker of a machine that has its file', async (t) => {
    const queue = aQueue('elsewhere')
    const place = { name: 'elsewhere', address: queue, subscription: 'group' } as const
    const { consumer } = await ran(t, place, queue)
    const running = await consumer({ address: queue, worker: 'elsewhere', project })
    t.match(await pruneEmpty([]), [{ isRemoved: false, reason: /^\d process(es)? consumes? it/ }])
    t.match(await prune([], queue.name, { force: true }), { isRemoved: false })
    await running.close()
    t.match(await pruneEmpty([]), [{ isRemoved: true }])
  })

  t.test("an orphan's dead letters are listed, shown, and redriven to a worker that is named", async (t) => {
    const [old, next] = [aFanout('old'), aQueue('next')]
    const orphan = `${old.name}.former`
    await ran(t, { name: 'former', address: old, subscription: 'group' }, old)
    const used = bench(t, url)
    const worker = await used.consumer({ address: next, worker: 'next', onMessage: (m) => m.ack() })
    const raw = await used.channel()
    for (let n = 0; n < 4; n++) {
      raw.sendToQueue(`${orphan}.dead`, Buffer.from(`{"n":${n}}`), { messageId: `m-${n}`, headers: headersOf() })
    }
    await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
    const { redrive } = await used.client()
    const places = [{ name: 'next', address: next, subscription: 'group' as const }]
    const letters = openDeadLetters({ urls: [url], name: 'test', project, workers: async () => places, redrive })

    const { deadLetters } = await letters.list(none)
    t.same(
      deadLetters.map(({ id, worker }) => [worker, id]),
      ['m-0', 'm-1', 'm-2', 'm-3'].map((id) => [orphan, id]),
    )
    t.same((await letters.list({ ...none, worker: orphan })).deadLetters, deadLetters)
    t.match(await letters.get('m-1'), { worker: orphan, body: '{"n":1}' })
    await t.rejects(letters.redrive('m-1'), {
      code: 'WARREN_DEAD_LETTER_HELD',
      message: /no worker file stands for 'old/,
    })
    await t.rejects(letters.redrive('m-1', orphan, 'nxt'), /found 'nxt' \(did you mean 'next'\?\)/)
    t.same(await letters.redriveAll({}), { redriven: 0, skipped: [orphan] })
    await t.rejects(letters.redriveAll({ worker: orphan }), { code: 'WARREN_DEAD_LETTER_HELD' })

    t.match(await letters.redrive('m-1', undefined, 'next'), { id: 'm-1', worker: orphan })
    t.match(await worker.received.reach(1), [{ id: 'm-1', attempt: 1 }])
    t.match(await letters.remove('m-0', orphan), { id: 'm-0' })
    t.same(await letters.redriveAll({ worker: orphan, to: 'next' }), { redriven: 2, skipped: [] })
    t.same((await worker.received.reach(3)).map(numberOf), [1, 2, 3])
    t.same(await letters.list(none), { deadLetters: [], next: null })
    t.match(await pruneEmpty(places), [{ orphan: { name: orphan }, isRemoved: true }])
    await t.rejects(letters.list({ ...none, worker: orphan }), { code: 'WARREN_DEAD_LETTER_WORKER' })
  })

  t.test('what is sent to an orphan while it is removed comes through or is refused; nothing is lost', async (t) => {
    const queue = aQueue('busy')
    const used = await ran(t, { name: 'busy', address: queue, subscription: 'group' }, queue)
    const { send } = (await used.client({ project })).bus()
    const lost: string[] = []
    const outcomes = { removed: 0, kept: 0 }
    for (let round = 0; round < 6; round++) {
      const confirmed = new Set<string>()
      let isOver = false
      const sending = (async function keepSending() {
        for (let n = 0; !isOver; n++) {
          await send(queue, { n }, { id: `${round}-${n}` }).then(
            () => confirmed.add(`${round}-${n}`),
            (error) => t.match(error, { code: 'WARREN_UNROUTABLE' }),
          )
        }
      })()
      for (const { isRemoved } of await pruneEmpty([])) outcomes[isRemoved ? 'removed' : 'kept']++
      isOver = true
      await sending
      const raw = await used.channel()
      const take = () => raw.get(queue.name, { noAck: true }).catch(() => false as const)
      for (let message = await take(); message; message = await take()) confirmed.delete(message.properties.messageId)
      lost.push(...confirmed)
    }
    t.same(lost, [], `confirmed, and nowhere (${outcomes.removed} times removed, ${outcomes.kept} times kept)`)
  })

  t.test('what is delayed is counted for all together', async (t) => {
    const before = await delayed()
    const { client } = bench(t, url)
    const { send } = (await client({ project })).bus()
    for (let n = 0; n < 5; n++) await send(aQueue('later'), { n }, { delay: '1d' })
    t.equal((await delayed()).delayed, (before.delayed ?? 0) + 5)
  })
}
