// A message that stays where all others of its segment are gone holds its own bytes, and not the segment's 64 KiB.
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Entry, QueueLog } from '../../../supervisor/broker/store/log.ts'
import { storeSize } from '../../../supervisor/broker/store/size.ts'
import type { Store } from '../../../supervisor/broker/store/store.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { message, must, open } from './helpers.ts'

t.setTimeout(120_000)

const SIZE = 300
/** Messages of a round, and of each how many apart one stays. */
const COUNT = 10_000
const EVERY = 190
const ROUNDS = 4
const STAY = Math.ceil(COUNT / EVERY)

const bodyOf = (number: number) => `${number} `.padEnd(SIZE, 'x')
const options = { tidyingMs: 20 }

/** Bytes that the store's records take. */
function usedBytes(folder: string): number {
  const { size, unused } = storeSize(folder) ?? { size: 0, unused: 0 }
  return size - unused
}

/** Sends a round's messages, hands all out and removes all but some; returns those. */
async function round(store: Store, log: QueueLog, first: number): Promise<Entry[]> {
  for (let number = first; number < first + COUNT; number++) log.append(message(bodyOf(number)), 0)
  await store.synced()
  const taken: Entry[] = []
  for (let i = 0; i < COUNT; i++) taken.push(must(log.take()))
  const kept = taken.filter((_, index) => index % EVERY === 0)
  for (const [index, entry] of taken.entries()) if (index % EVERY !== 0) log.remove(entry)
  await store.synced()
  return kept
}

for (const returns of ['position', 'fifo'] as const) {
  t.test(`what a consumer keeps for long, round after round, ${returns}`, async (t) => {
    const folder = temporaryFolder(t)
    let store = await open(folder, options)
    let log = store.openLog(1, { durable: true, returns })
    const kept: Entry[] = []
    const used: number[] = []
    for (let number = 0; number < ROUNDS; number++) {
      kept.push(...(await round(store, log, number * COUNT)))
      const most = 1.5 * kept.length * SIZE + 200_000
      await until(() => usedBytes(folder) < most, { what: `${kept.length} messages to be moved together` })
      used.push(usedBytes(folder))
    }
    t.comment(`${kept.length} messages of ${kept.length * SIZE} bytes; used after each round: ${used}`)

    // Everything can be done to them where they are now.
    const numbers = kept.map((entry) => Number.parseInt(entry.message.body.toString(), 10))
    t.same(
      numbers,
      Array.from({ length: ROUNDS * STAY }, (_, i) => Math.floor(i / STAY) * COUNT + (i % STAY) * EVERY),
    )
    const [removed, back] = [kept.filter((_, i) => i % 3 === 0), kept.filter((_, i) => i % 3 !== 0)]
    for (const entry of removed) log.remove(entry)
    for (const entry of back) log.giveBack(entry)
    await store.synced()
    const expected = back.map(placeOf)
    checkLeft(t, log, expected)
    await store.close()
    store = await open(folder, options)
    log = store.openLog(1, { durable: true, returns })
    checkLeft(t, log, expected)
    await store.close()
  })
}

function placeOf({ position, redelivered, message }: Entry) {
  return { position, redelivered, body: message.body.toString() }
}

/** Takes all that there is, compares it, and gives it back. */
function checkLeft(t: Test, log: QueueLog, expected: readonly ReturnType<typeof placeOf>[]): void {
  t.equal(log.ready, expected.length)
  const found: Entry[] = []
  for (let entry = log.take(); entry; entry = log.take()) found.push(entry)
  t.same(found.map(placeOf), expected)
  for (const entry of found) log.giveBack(entry)
}

t.test('what a start finds scattered, and messages that wait among it', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  let log = store.openLog(1, { durable: true })
  const kept = await round(store, log, 0)
  for (let number = COUNT; number < 2 * COUNT; number++) log.append(message(bodyOf(number)), 0)
  await store.close()
  const scattered = usedBytes(folder)

  store = await open(folder, options)
  log = store.openLog(1, { durable: true })
  t.equal(log.ready, kept.length + COUNT)
  t.ok(log.peek())
  const most = scattered - (kept.length - 4) * 40_000
  await until(() => usedBytes(folder) < most, { what: 'it to be moved together' })
  const expected = [...kept.map((_, index) => index * EVERY), ...Array.from({ length: COUNT }, (_, i) => COUNT + i)]
  for (const number of expected) {
    const entry = must(log.take())
    if (entry.message.body.toString() !== bodyOf(number)) t.fail(`message ${number} is another`)
    log.remove(entry)
  }
  t.equal(log.take(), undefined)
  await store.close()
})

t.test('segments that are about to be empty are left alone', async (t) => {
  const folder = temporaryFolder(t)
  const store = await open(folder, { tidyingMs: 600_000 })
  t.teardown(() => store.close())
  const log = store.openLog(1, { durable: true })
  const kept = await round(store, log, 0)
  const before = usedBytes(folder)
  for (let i = 0; i < 3; i++) await store.synced()
  t.equal(usedBytes(folder), before)
  t.ok(before > kept.length * 60_000)
})

t.test('while the disk is nearly full nothing is moved, which takes space before it frees any', async (t) => {
  const folder = temporaryFolder(t)
  let free = 100_000
  const store = await open(folder, { ...options, diskFreeLimit: 1_000_000, diskFree: async () => free, onBlocked() {} })
  t.teardown(() => store.close())
  await until(() => store.isExhausted(), { what: 'the disk to be looked at' })
  const log = store.openLog(1, { durable: true })
  const kept = await round(store, log, 0)
  const before = usedBytes(folder)
  // Some looks; of fewer than it takes, nothing would be seen.
  await pause(20 * options.tidyingMs)
  for (const entry of kept.splice(0, 3)) log.remove(entry)
  await store.synced()
  t.ok(usedBytes(folder) > before - 4 * 70_000, `${before} bytes, and then ${usedBytes(folder)}`)
  free = 1e12
  await until(() => usedBytes(folder) < 500_000, { what: 'it to be moved when there is space' })
})

t.test('purged and deleted while they are moved', async (t) => {
  const folder = temporaryFolder(t)
  const store = await open(folder, { tidyingMs: 1 })
  for (let id = 1; id <= 3; id++) {
    const log = store.openLog(id, { durable: true, returns: id === 2 ? 'fifo' : 'position' })
    const kept = await round(store, log, 0)
    for (const entry of kept.slice(10)) log.giveBack(entry)
    await until(() => usedBytes(folder) < 500_000, { what: 'some to be moved' })
    if (id < 3) t.equal(log.purge(), kept.length - 10)
    else log.destroy()
    if (id < 3) for (const entry of kept.slice(0, 10)) log.remove(entry)
    await until(() => usedBytes(folder) < 50_000, { what: 'nothing to be left' })
  }
  for (let i = 0; i < 4; i++) await store.synced()
  await store.close()
  const again = await open(folder)
  for (const id of [1, 2, 3]) t.equal(again.openLog(id, { durable: true }).ready, 0)
  await again.close()
})
