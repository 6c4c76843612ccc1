import { spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cannotMount as skip, smallDisk } from '../../helpers/small-disk.ts'
import { message, open } from './helpers.ts'

const MB = 2 ** 20

t.test('a full disk blocks, loses nothing, and goes on once there is space', { timeout: 30_000, skip }, async (t) => {
  const disk = smallDisk(t, 8)
  const folder = join(disk, 'store')
  const events = new EventEmitter()
  const seen: string[] = []
  const options = {
    diskFreeLimit: 0,
    onBlocked(reason: string) {
      seen.push(reason)
      events.emit('blocked')
    },
    onUnblocked() {
      seen.push('unblocked')
      events.emit('unblocked')
    },
  }
  let store = await open(folder, options)
  let log = store.openLog(1, { durable: true })
  const safe = new Set<number>()
  let count = 0
  function append() {
    const number = count++
    log.append(message(Buffer.alloc(10_000, number % 251)), 0, () => safe.add(number))
  }
  append()
  await store.synced()
  writeFileSync(join(disk, 'other'), Buffer.alloc(3 * MB))

  const blocked = once(events, 'blocked')
  for (let i = 0; i < 700; i++) append()
  await blocked
  t.match(seen, [new RegExp(`^${folder} can't be written: .`)])
  t.ok(safe.size < count, `${safe.size} of ${count} are safe`)
  const before = safe.size
  const first = log.take()
  t.equal(first?.message.body.length, 10_000, 'consumers go on')
  if (first) log.remove(first)
  t.equal(safe.size, before)

  const unblocked = once(events, 'unblocked')
  rmSync(join(disk, 'other'))
  spawnSync('mount', ['-o', 'remount,size=32m', disk])
  await unblocked
  await store.synced()
  t.equal(safe.size, count, 'what was kept in memory is safe now')
  t.equal(seen.length, 2, 'said once each')
  append()
  await store.close()

  store = await open(folder, options)
  log = store.openLog(1, { durable: true })
  t.equal(log.ready, count - 1)
  for (let number = 1; number < count; number++) {
    const body = log.take()?.message.body
    if (body?.length !== 10_000 || body.some((byte) => byte !== number % 251)) t.fail(`message ${number} is another`)
  }
  await store.close()
})

t.test('a store whose disk stays full can be closed', { timeout: 30_000, skip }, async (t) => {
  const disk = smallDisk(t, 8)
  const folder = join(disk, 'store')
  const events = new EventEmitter()
  const options = { diskFreeLimit: 0, onBlocked: () => void events.emit('blocked') }
  const store = await open(folder, options)
  const log = store.openLog(1, { durable: true })
  log.append(message('kept'), 0)
  await store.synced()
  const blocked = once(events, 'blocked')
  log.append(message(Buffer.alloc(9 * MB)), 0, () => t.fail('it is not safe'))
  await blocked
  await t.rejects(store.close(), /[Nn]o space|Input.output error/)
  const again = await open(folder, options)
  t.equal(again.openLog(1, { durable: true }).ready, 1)
  await again.close()
})

t.test('little free space blocks before the disk is full', { timeout: 30_000, skip }, async (t) => {
  const disk = smallDisk(t, 8)
  const events = new EventEmitter()
  // The store's own timer lets the process end.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const store = await open(join(disk, 'store'), {
    diskFreeLimit: 4 * MB,
    onBlocked: (reason) => void events.emit('blocked', reason),
    onUnblocked: () => void events.emit('unblocked'),
  })
  const blocked = once(events, 'blocked')
  writeFileSync(join(disk, 'other'), Buffer.alloc(5 * MB))
  t.match(await blocked, [/ has [0-3] MB of disk space left/])
  store.openLog(1, { durable: true }).append(message('a'), 0)
  await store.synced()
  const unblocked = once(events, 'unblocked')
  rmSync(join(disk, 'other'))
  await unblocked
  await store.close()
})

t.test('what can not be noted on a full disk is said once', { timeout: 30_000, skip }, async (t) => {
  const disk = smallDisk(t, 8)
  const warnings: string[] = []
  const log = { info() {}, warn: (_: object, text: string) => void warnings.push(text) }
  const store = await open(join(disk, 'store'), { diskFreeLimit: 0, onBlocked() {}, log })
  const logs = Array.from({ length: 600 }, (_, i) => store.openLog(i + 1, { durable: true }))
  for (const log of logs) log.append(message('a'), 0)
  await store.synced()
  t.throws(() => writeFileSync(join(disk, 'other'), Buffer.alloc(8 * MB)), /ENOSPC/)
  for (const log of logs) t.equal(log.take()?.message.body.toString(), 'a')
  t.same(warnings, ['could not note what is handed out'])
  rmSync(join(disk, 'other'))
  await store.close()
})
