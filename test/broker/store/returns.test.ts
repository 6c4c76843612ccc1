import t from 'tap'
import type { Entry } from '../../../supervisor/broker/store/log.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { message, must, open } from './helpers.ts'

t.test('a purge is committed although all that waits has come back and left memory', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder, { limits: { totalBytes: 1 } })
  const log = store.openLog(1, { durable: true })
  for (const body of ['a', 'b', 'c']) log.append(message(body), 0)
  await store.synced()
  const taken: Entry[] = []
  for (let entry = log.take(); entry; entry = log.take()) taken.push(entry)
  for (const entry of taken) log.giveBack(entry)
  await store.synced()
  t.equal(log.purge(), 3)
  await store.synced()
  await store.close()
  store = await open(folder)
  t.equal(store.openLog(1, { durable: true }).ready, 0)
  await store.close()
})

t.test('what is held becomes less without any more commits', async (t) => {
  const store = await open(temporaryFolder(t), { limits: { totalBytes: 100_000 } })
  t.teardown(() => store.close())
  for (let id = 1; id <= 10; id++) store.openLog(id, { durable: true }).append(message('x'.repeat(50_000)), 0)
  await store.synced()
  await until(() => store.heldBytes < 100_000, { what: 'less to be held' })
})

t.test('more wait for a commit than a call takes arguments', async (t) => {
  const store = await open(temporaryFolder(t))
  t.teardown(() => store.close())
  store.definitions.put('a', 1)
  await Promise.all(Array.from({ length: 150_000 }, () => store.synced()))
})

t.test('what is read of a deleted log is no damage', async (t) => {
  const store = await open(temporaryFolder(t))
  t.teardown(() => store.close())
  const log = store.openLog(1, { durable: true })
  log.append(message('a'), 0)
  log.append(message('b'), 0)
  await store.synced()
  const first = must(log.take())
  must(log.take())
  log.destroy()
  for (let i = 0; i < 4; i++) await store.synced()
  t.throws(() => first.message)
})

t.test('an expired message that came back behind another lane’s is not announced', async (t) => {
  const store = await open(temporaryFolder(t))
  t.teardown(() => store.close())
  const log = store.openLog(1, { durable: true, returns: 'fifo' })
  log.append(message('a', { priority: 1 }), 0)
  log.append(message('b', { priority: 0 }), 5)
  const [a, b] = [must(log.take()), must(log.take())]
  log.giveBack(a)
  log.giveBack(b)
  t.equal(log.firstExpired(10), undefined)
  t.equal(log.headExpiresAt(), 0)
  t.equal(must(log.take()), a)
  t.equal(log.headExpiresAt(), 5)
  t.equal(log.firstExpired(10), b)
})

for (const returns of ['position', 'fifo'] as const) {
  t.test(`what comes back and is in memory alone goes to the disk beyond the bound, ${returns}`, async (t) => {
    const store = await open(temporaryFolder(t), { limits: { windowMessages: 100 } })
    t.teardown(() => store.close())
    const log = store.openLog(1, { durable: true, returns })
    const SIZE = 1_000
    const bodyOf = (number: number) => `${number} `.padEnd(SIZE, 'x')
    const taken: Entry[] = []
    // Handed out as they come, so that none waits long enough to be written; every tenth would be.
    for (let number = 0; number < 5_000; number++) {
      log.append(message(bodyOf(number), { persistent: number % 10 === 0 }), 0)
      taken.push(must(log.take()))
    }
    for (const entry of taken) log.giveBack(entry)
    await store.synced()
    await store.synced()
    t.ok(store.heldBytes < 200 * (SIZE + 1_000), `${store.heldBytes} bytes of 5,000 messages are held`)
    t.equal(log.ready, 5_000)
    for (let number = 0; number < 5_000; number++) {
      const entry = must(log.take())
      if (entry.message.body.toString() !== bodyOf(number) || !entry.redelivered) t.fail(`message ${number} is another`)
      log.remove(entry)
    }
    t.equal(log.take(), undefined)
    t.equal(store.heldBytes, 0)
  })
}

t.test('what came back to a queue that nobody uses leaves memory once it is too much', async (t) => {
  const store = await open(temporaryFolder(t), { limits: { totalBytes: 100_000 } })
  t.teardown(() => store.close())
  const log = store.openLog(1, { durable: true })
  const taken: Entry[] = []
  for (let number = 0; number < 60; number++) {
    log.append(message('x'.repeat(1_000), { persistent: false }), 0)
    taken.push(must(log.take()))
  }
  for (const entry of taken) log.giveBack(entry)
  t.ok(store.heldBytes > 60_000)
  const other = store.openLog(2, { durable: true })
  for (let number = 0; number < 30; number++) other.append(message('x'.repeat(2_000)), 0)
  await until(() => store.heldBytes < 50_000, { what: 'less to be held' })
  t.equal(log.ready, 60)
})
