import t from 'tap'
import { steadyClock } from '../../../supervisor/broker/clock.ts'
import { createSlices } from '../../../supervisor/broker/slices.ts'
import { openMarks } from '../../../supervisor/broker/store/marks.ts'
import { createVhost, type Vhost } from '../../../supervisor/broker/vhost/vhost.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, must, open } from './helpers.ts'

const OWNER = {}
const FLAGS = { durable: true, exclusive: false, autoDelete: false }
const SIZE = Number(process.env.WARREN_SIZE ?? 1_000)

t.test('what a queue has handed out is found in a time that does not depend on the other queues', async (t) => {
  async function lookUp(queues: number): Promise<number> {
    const marks = openMarks(temporaryFolder(t), true, (error) => t.fail(String(error)))
    for (let id = 1; id <= queues; id++) marks.of(id, 0, 0).handOut(id)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 5; round++) {
      const start = process.cpuUsage().user
      for (let times = 0; times < 4; times++) for (let id = 1; id <= queues; id++) marks.endOf(id)
      best = Math.min(best, process.cpuUsage().user - start)
    }
    t.equal(marks.endOf(queues), queues + 1)
    t.equal(marks.endOf(queues + 1), 0)
    await marks.close()
    return best
  }
  const [few, many] = [await lookUp(4_000), await lookUp(16_000)]
  // 4 times as many: 4 times the time, and not 16 times. Both are a few milliseconds at most.
  t.ok(many < 8 * few + 5_000, `16,000 queues took ${many / 1_000} ms, 4,000 took ${few / 1_000} ms`)
})

t.test(`a start with ${SIZE} queues makes none of them, and reads no message`, async (t) => {
  const folder = temporaryFolder(t)
  const options = { diskFreeLimit: 0 }
  let store = await open(folder, options)
  let vhost = vhostOf(store)
  for (let i = 0; i < SIZE; i++) {
    const queue = vhost.declareQueue(`q${i}`, FLAGS, { 'x-queue-type': 'quorum' }, OWNER)
    for (const body of ['a', 'b']) queue.publish(message(body))
    queue.get(false)
  }
  vhost.declareQueue('idle', FLAGS, { 'x-expires': 60_000 }, OWNER)
  vhost.declareQueue('waits', FLAGS, {}, OWNER).publish(message('expires'), 60_000)
  vhost.declareQueue('behind', FLAGS, {}, OWNER).publish(message('stays'))
  await store.close()

  const start = process.cpuUsage()
  store = await open(folder, options)
  vhost = vhostOf(store)
  const { user, system } = process.cpuUsage(start)
  t.comment(`${(user + system) / 1_000} ms of processor time`)
  const made = [...vhost.queues()].map(({ name }) => name)
  t.same(made.sort(), ['idle', 'waits'], 'but those that wait for a moment')
  const last = vhost.queue(`q${SIZE - 1}`, OWNER)
  t.equal(last.messageCount, 2)
  t.match(must(last.get(true)), { message: { body: Buffer.from('a') }, redelivered: true })
  t.equal(vhost.queue('behind', OWNER).messageCount, 1)
  t.equal(vhost.deleteQueue('q0', { ifUnused: false, ifEmpty: false }, OWNER).messageCount, 2)
  await store.close()
  store = await open(folder, options)
  vhost = vhostOf(store)
  t.throws(() => vhost.queue('q0', OWNER), { code: 404 }, 'one that was deleted before it was used is gone')
  t.equal(vhost.queue('q1', OWNER).messageCount, 2)
  vhost.close()
  await store.close()
})

function vhostOf(store: Awaited<ReturnType<typeof open>>): Vhost {
  const onFault = (error: unknown) => void t.fail(String(error))
  const log = { error: (_details: object, message: string) => onFault(message) }
  const slices = createSlices({ onError: onFault })
  return createVhost(store, { clock: steadyClock(), slices, prompt: slices, log, onFault })
}
