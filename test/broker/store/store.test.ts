import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { openDatabase } from '../../../supervisor/broker/store/database.ts'
import { INDEX_RANGE } from '../../../supervisor/broker/store/keys.ts'
import { message, must, open } from './helpers.ts'

t.test('messages come back after a restart, in order', async (t) => {
  const folder = t.testdir()
  let store = await open(folder)
  let log = store.openLog(1, { durable: true })
  let safe = 0
  for (const body of ['a', 'b', 'c']) log.append(message(body), 0, () => safe++)
  t.equal(safe, 0, 'never synchronously')
  await store.synced()
  t.equal(safe, 3)
  t.equal(log.ready, 3)
  t.equal(log.readyBytes, 3)
  const a = must(log.take())
  const b = must(log.take())
  log.remove(a)
  await store.close()

  store = await open(folder)
  log = store.openLog(1, { durable: true })
  t.equal(log.ready, 2)
  const again = log.take()
  t.match(again, { message: message('b'), redelivered: true, position: b.position, expiresAt: 0 })
  t.match(log.take(), { message: message('c'), redelivered: false })
  t.equal(log.take(), undefined)
  await store.close()
})

t.test('definitions come back after a restart', async (t) => {
  const folder = t.testdir()
  let store = await open(folder)
  store.definitions.put('queue/a', { durable: true })
  store.definitions.put('queue/b', { durable: true })
  await turn()
  store.definitions.remove('queue/b')
  await store.close()
  store = await open(folder)
  t.same([...store.definitions.found('')], [['queue/a', { durable: true }]])
  await store.close()
})

t.test('a publisher that waits for each confirm leaves few records', async (t) => {
  const folder = t.testdir()
  const store = await open(folder, { limits: { windowMessages: 1 } })
  const log = store.openLog(1, { durable: true })
  for (let i = 0; i < 300; i++) {
    log.append(message(String(i)), 0)
    await store.synced()
  }
  await store.close()
  const database = openDatabase(folder)
  const records = [...database.keys(...INDEX_RANGE)].length
  await database.close()
  t.ok(records < 20, `${records} for 300 messages`)
})

t.test('what need not outlive a restart does not, and is safe at once', async (t) => {
  const folder = t.testdir()
  const options = { limits: { windowMessages: 2 } }
  let store = await open(folder, options)
  const transient = store.openLog(1, { durable: false })
  const durable = store.openLog(2, { durable: true })
  let safe = 0
  for (let i = 0; i < 5; i++) {
    transient.append(message('a'), 0, () => safe++)
    durable.append(message('b', { persistent: i === 3 }), 0, () => safe++)
  }
  await store.synced()
  t.equal(safe, 10)
  t.equal(transient.ready, 5, 'it is paged out all the same')
  t.equal(durable.ready, 5)
  await store.close()
  store = await open(folder, options)
  t.equal(store.openLog(1, { durable: true }).ready, 0)
  t.equal(store.openLog(2, { durable: true }).ready, 1)
  await store.close()
})

t.test('two logs change in one commit, or not at all', async (t) => {
  const folder = t.testdir()
  const store = await open(folder)
  const [from, to] = [1, 2].map((id) => store.openLog(id, { durable: true }))
  must(from).append(message('a'), 0)
  await store.synced()
  const entry = must(must(from).take())
  let isMoved = false
  must(to).append(entry.message, 0, () => {
    isMoved = true
  })
  must(from).remove(entry)
  store.definitions.put('moved', true)
  t.equal(isMoved, false)
  await store.synced()
  t.equal(isMoved, true)
  await store.close()
  const again = await open(folder)
  t.equal(again.openLog(1, { durable: true }).ready, 0)
  t.equal(again.openLog(2, { durable: true }).ready, 1)
  t.equal([...again.definitions.found('mov')].length, 1)
  await again.close()
})

t.test('misuse is said', async (t) => {
  const store = await open(t.testdir(), { limits: { windowMessages: 1 } })
  const log = store.openLog(1, { durable: true })
  t.throws(() => store.openLog(1, { durable: true }), /open already/)
  log.append(message('a'), 0)
  const paged = log.append(message('b'), 0)
  await store.synced()
  t.throws(() => log.remove(paged), /left memory/)
  log.destroy()
  t.throws(() => log.append(message('c'), 0), /destroyed/)
  t.equal(log.ready, 0)
  log.remove(paged)
  await store.close()
})
