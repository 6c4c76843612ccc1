import { existsSync, readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Database, openDatabase } from '../../../supervisor/broker/store/database.ts'
import { type Teardown, temporaryFolder } from '../../helpers/tmp.ts'

const STATUS = '/proc/self/status'
const VALUE = Buffer.alloc(65_000, 'x')
const COUNT = 2_000

const noProc = existsSync(STATUS) ? false : 'Only Linux tells how much of a mapped file is in memory.'
t.test('what was read does not stay in memory', { skip: noProc }, async (t) => {
  const database = await filled(t, COUNT)

  const before = mapped()
  let peak = 0
  for (let i = 0; i < COUNT; i++) {
    if (database.get(keyOf(i))?.length !== VALUE.length) t.fail(`value ${i} is missing`)
    if (i % 100 === 99) {
      peak = Math.max(peak, mapped() - before)
      // As a queue that is drained does: without a write before it, lmdb would close at once.
      await database.write([{ key: keyOf(i), value: undefined }])
      await database.trim()
    }
  }
  t.ok(
    peak < 50,
    `${Math.round(peak)} MB more were mapped while ${Math.round((COUNT * VALUE.length) / 2 ** 20)} were read`,
  )
})

t.test('reads tell when they have taken much, and it is given back without a write', { skip: noProc }, async (t) => {
  const database = await filled(t, COUNT)
  await database.trim()

  const before = mapped()
  let peak = 0
  let asked = 0
  let due = false
  database.whenMuchRead(() => {
    asked++
    due = true
  })
  for (let i = 0; i < COUNT; i++) {
    if (database.get(keyOf(i))?.length !== VALUE.length) t.fail(`value ${i} is missing`)
    if (i % 100 < 99) continue
    peak = Math.max(peak, mapped() - before)
    if (due) await database.trim()
    due = false
    await setImmediate()
  }
  t.ok(asked >= 3 && asked <= 10, `asked ${asked} times`)
  t.ok(peak < 50, `${Math.round(peak)} MB more were mapped`)
})

t.test('pages that are written again and again are not given back, which takes time', { skip: noProc }, async (t) => {
  const database = await filled(t, COUNT / 2)
  await database.trim()
  const again = Array.from({ length: 100 }, (_, i) => ({ key: keyOf(i), value: Buffer.from('short') }))
  let reopened = 0
  // Enough for several times, if each record counted as pages of its own.
  for (let i = 0; i < 60; i++) {
    await database.write(again)
    const trimmed = database.trim()
    if (trimmed) reopened++
    await trimmed
  }
  t.ok(reopened <= 1, `opened anew ${reopened} times`)
})

/** A database with so many values. */
async function filled(t: Teardown, count: number): Promise<Database> {
  const database = openDatabase(temporaryFolder(t))
  t.teardown(() => database.close())
  for (let start = 0; start < count; start += 100) {
    await database.write(Array.from({ length: 100 }, (_, i) => ({ key: keyOf(start + i), value: VALUE })))
  }
  return database
}

/** Megabytes of this process's memory that are pages of files. */
function mapped(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync(STATUS, 'utf8'))?.[1]) / 1024
}

function keyOf(number: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(number)
  return key
}
