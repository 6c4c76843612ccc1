import { cpSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { checkFolder } from '../../../supervisor/broker/store/damage.ts'
import { DATA_FILE } from '../../../supervisor/broker/store/format.ts'
import type { QueueLog } from '../../../supervisor/broker/store/log.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import { message, must, open } from './helpers.ts'

const MB = 2 ** 20
const compaction = { unusedBytes: MB, delay: 1 }
const sizeOf = (folder: string) => statSync(join(folder, DATA_FILE)).size

function drain(log: QueueLog): number {
  let count = 0
  for (let entry = log.take(); entry; entry = log.take()) {
    log.remove(entry)
    count++
  }
  return count
}

t.test('a store that was large is small again, while it goes on', async (t) => {
  const folder = temporaryFolder(t)
  const infos: object[] = []
  const log = {
    info: (details: object) => void infos.push(details),
    warn: (details: object) => t.fail(String(details)),
  }
  const store = await open(folder, { compaction, log })
  const drained = store.openLog(1, { durable: true })
  const kept = store.openLog(2, { durable: true })
  const live = store.openLog(3, { durable: true })
  for (let i = 0; i < 400; i++) drained.append(message(Buffer.alloc(50_000, i)), 0)
  for (let i = 0; i < 300; i++) kept.append(message(`${i}`.padEnd(5_000)), 0)
  await store.synced()
  const large = sizeOf(folder)
  t.ok(large > 20 * MB)

  drain(drained)
  // Goes in and comes out all the time, in the midst of it as well.
  let appended = 0
  let removed = 0
  while (infos.length === 0 || appended < 200) {
    for (let i = 0; i < 10; i++) live.append(message(`${appended++} ${'x'.repeat(500)}`), 0)
    for (let i = 0; i < 7; i++) {
      const entry = must(live.take())
      t.equal(Number.parseInt(entry.message.body.toString(), 10), removed++)
      live.remove(entry)
    }
    await store.synced()
    await turn()
  }
  t.ok(sizeOf(folder) < large / 3, `${sizeOf(folder)} bytes of ${large}`)
  await store.synced()

  const copy = temporaryFolder(t)
  cpSync(folder, copy, { recursive: true, filter: (path) => !path.endsWith('lock') })
  t.equal(
    checkFolder(copy, () => {}),
    false,
    'what was synced is whole, as after a kill',
  )
  await store.close()
  for (const place of [copy, folder]) {
    const again = await open(place)
    const [first, second] = [again.openLog(2, { durable: true }), again.openLog(3, { durable: true })]
    t.equal(first.ready, 300)
    t.same(again.openLog(1, { durable: true }).ready, 0)
    t.equal(second.ready, appended - removed)
    for (let i = 0; i < 300; i++) if (Number(first.take()?.message.body) !== i) t.fail(`message ${i} is another`)
    for (let i = removed; i < appended; i++) {
      if (Number.parseInt(String(second.take()?.message.body), 10) !== i) t.fail(`live message ${i} is another`)
    }
    await again.close()
  }
})

t.test('a store that was large is small again after a restart at the latest', async (t) => {
  const folder = temporaryFolder(t)
  let store = await open(folder)
  const log = store.openLog(1, { durable: true })
  for (let i = 0; i < 100; i++) log.append(message(Buffer.alloc(50_000)), 0)
  await store.synced()
  drain(log)
  await store.close()
  t.ok(sizeOf(folder) > 5 * MB)
  store = await open(folder, { compaction })
  await until(() => sizeOf(folder) < MB, { what: 'the file to be small' })
  store.openLog(1, { durable: true }).append(message('a'), 0)
  await store.close()
})

t.test('a disk without space for a smaller file is left alone', async (t) => {
  const folder = temporaryFolder(t)
  let looks = 0
  const diskFree = async () => {
    looks++
    return 60_000_000
  }
  const store = await open(folder, { compaction, diskFree, log: { info: () => t.fail(), warn: () => t.fail() } })
  const log = store.openLog(1, { durable: true })
  for (let i = 0; i < 600; i++) log.append(message(Buffer.alloc(50_000)), 0)
  await store.synced()
  for (let i = 0; i < 400; i++) log.remove(must(log.take()))
  await store.synced()
  const before = looks
  await until(() => looks > before + 1, { what: 'it to look' })
  t.ok(sizeOf(folder) > 25 * MB)
  await store.close()
})
