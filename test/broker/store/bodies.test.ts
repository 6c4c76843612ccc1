import { rmSync } from 'node:fs'
import t from 'tap'
import { openDatabase } from '../../../supervisor/broker/store/database.ts'
import { BODY_RANGE, bodyKey } from '../../../supervisor/broker/store/keys.ts'
import type { QueueLog } from '../../../supervisor/broker/store/log.ts'
import type { Store } from '../../../supervisor/broker/store/store.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, must, open } from './helpers.ts'

const LARGE = Buffer.alloc(100_000, 7)

async function bodiesIn(folder: string): Promise<number> {
  const database = openDatabase(folder)
  const count = [...database.keys(...BODY_RANGE)].length
  await database.close()
  return count
}

/** Closes the store, and looks how many bodies it has. */
async function closed(store: Store, folder: string): Promise<number> {
  await store.close()
  return bodiesIn(folder)
}

t.test('a body that one queue has twice is there after a restart until both are gone', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  let [log] = openLogs(store, [1]) as [QueueLog]
  const shared = store.share(message(LARGE))
  for (let i = 0; i < 3; i++) log.append(shared, 0)
  t.equal(await closed(store, folder), 1)

  for (let left = 3; left > 0; left--) {
    store = await open(folder)
    ;[log] = openLogs(store, [1]) as [QueueLog]
    t.equal(log.ready, left)
    const entry = must(log.take())
    t.same(entry.message.body, LARGE)
    log.remove(entry)
    await store.synced()
    t.same(log.peek()?.message.body, left > 1 ? LARGE : undefined)
    t.equal(await closed(store, folder), left > 1 ? 1 : 0)
  }
})

t.test('a large body for several queues is stored once, and goes with its last reference', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  let logs = openLogs(store, [1, 2, 3])
  for (let i = 0; i < 3; i++) {
    const shared = store.share(message(LARGE))
    for (const log of logs) log.append(shared, 0)
  }
  t.equal(store.share(message('small')).shared, undefined, 'a small one is not worth a record')
  t.equal(await closed(store, folder), 3)

  store = await open(folder)
  logs = openLogs(store, [1, 2, 3])
  t.same(
    logs.map((log) => log.readyBytes),
    [300_000, 300_000, 300_000],
  )
  const [first, second] = logs as [QueueLog, QueueLog, QueueLog]
  for (const log of [first, second]) {
    const entry = must(log.take())
    t.same(entry.message.body, LARGE)
    log.remove(entry)
  }
  t.equal(await closed(store, folder), 3, 'the third queue has it')

  store = await open(folder)
  logs = openLogs(store, [1, 2, 3])
  const last = must((logs[2] as QueueLog).take())
  t.same(last.message.body, LARGE)
  ;(logs[2] as QueueLog).remove(last)
  t.equal(await closed(store, folder), 2)

  store = await open(folder)
  logs = openLogs(store, [1, 2, 3])
  const out = must((logs[0] as QueueLog).take())
  logs[0]?.destroy()
  logs[1]?.purge()
  logs[2]?.purge()
  t.equal(await closed(store, folder), 0, 'whoever deletes a queue gives up what is handed out, too')
  t.equal(out.position, 1)
})

t.test('a message with a shared body moves on by reference', async (t) => {
  const folder = temporaryFolder(t)
  const store = await open(folder)
  const [from, other, to] = openLogs(store, [1, 2, 3]) as [QueueLog, QueueLog, QueueLog]
  const shared = store.share(message(LARGE))
  from.append(shared, 0)
  other.append(shared, 0)
  await store.synced()
  const entry = must(from.take())
  to.append({ ...entry.message, routingKey: 'dead' }, 0)
  from.remove(entry)
  other.purge()
  t.equal(await closed(store, folder), 1)
  const again = await open(folder)
  const moved = must(again.openLog(3, { durable: true }).take())
  t.match(moved.message, { routingKey: 'dead', body: LARGE })
  await again.close()
})

t.test('a start removes bodies that nothing refers to', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  const shared = store.share(message(LARGE))
  // One of a queue that is not durable, and one that is not persistent: gone with the process.
  store.openLog(1, { durable: false }).append(shared, 0)
  store.openLog(2, { durable: true }).append({ ...shared, persistent: false }, 0)
  store.openLog(3, { durable: true }).append(shared, 0)
  t.equal(await closed(store, folder), 1)
  const database = openDatabase(folder)
  await database.write([{ key: bodyKey(77), value: LARGE }])
  await database.close()
  t.equal(await bodiesIn(folder), 2)

  store = await open(folder)
  t.equal(await closed(store, folder), 1, 'as a commit that was cut off may leave it')
  store = await open(folder)
  store.removeOthers(new Set([1, 2]))
  t.equal(await closed(store, folder), 0, 'the queue that had it is gone')
})

t.test('a body that is not what was written is damage', async (t) => {
  const folder = temporaryFolder(t)
  const store = await open(folder)
  const shared = store.share(message(LARGE))
  for (const log of openLogs(store, [1, 2])) log.append(shared, 0)
  await store.close()
  const database = openDatabase(folder)
  const [key] = [...database.keys(...BODY_RANGE)]
  await database.write([{ key: must(key), value: Buffer.alloc(LARGE.length, 8) }])
  await database.close()
  let broken: Error | undefined
  const onBroken = (error: Error) => {
    broken = error
  }
  const again = await open(folder, { onBroken })
  const entry = must(again.openLog(1, { durable: true }).take())
  t.throws(() => entry.message.body, /not what was written/)
  t.match(broken, { code: 'WARREN_STORE_DAMAGED' })
  await again.close()
  rmSync(folder, { recursive: true })
})

function openLogs(store: Store, ids: number[]): QueueLog[] {
  return ids.map((id) => store.openLog(id, { durable: true }))
}
