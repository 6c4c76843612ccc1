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
