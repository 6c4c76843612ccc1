import { rmSync } from 'node:fs'
import t from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { message, open } from './helpers.ts'

// What other processes do changes how long something takes, and hardly what it costs.
const COUNT = Number(process.env.WARREN_SIZE ?? 500)

t.test('what a deleted queue costs does not depend on how many others are deleted', async (t) => {
  const small = await leastOf(2, () => cost(COUNT))
  const large = await leastOf(2, () => cost(2 * COUNT))
  t.ok(large < 3 * small, `${Math.round(small)} ms for ${COUNT}, ${Math.round(large)} ms for twice as many`)

  async function cost(count: number): Promise<number> {
    const folder = temporaryFolder(t)
    const store = await open(folder)
    const logs = Array.from({ length: count }, (_, i) => store.openLog(i + 1, { durable: true }))
    for (const log of logs) for (let i = 0; i < 3; i++) log.append(message('x'.repeat(100)), 0)
    await store.synced()
    const before = process.cpuUsage()
    for (const log of logs) log.destroy()
    await store.synced()
    // What is left of them is removed by and by.
    await store.close()
    const { user, system } = process.cpuUsage(before)
    rmSync(folder, { recursive: true })
    return (user + system) / 1_000
  }
})

t.test('what is left of deleted queues is gone after a restart, and its ids are not given again', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  for (let id = 1; id <= 10; id++) store.openLog(id, { durable: true }).append(message('a'), 0)
  await store.synced()
  await store.close()
  // As after a kill between a queue's deletion and that of its messages.
  store = await open(folder)
  t.equal(store.lastQueueId, 10)
  store.removeOthers(new Set([3]))
  t.equal(store.openLog(3, { durable: true }).ready, 1)
  await store.synced()
  t.equal(store.openLog(10, { durable: true }).ready, 0)
  // The commit after that removes the records.
  await store.synced()
  await store.synced()
  await store.close()
  store = await open(folder)
  t.equal(store.lastQueueId, 3)
  t.equal(store.openLog(3, { durable: true }).ready, 1)
  await store.close()
})

async function leastOf(times: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < times; i++) least = Math.min(least, await measure())
  return least
}
