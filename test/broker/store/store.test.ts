import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
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
  t.same([...store.definitions.all()], [{ key: 'queue/a', value: { durable: true } }])
  await store.close()
})
