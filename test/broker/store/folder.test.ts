import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openStore } from '../../../supervisor/broker/store/store.ts'
import { run } from '../../helpers/process.ts'
import { message, must, open } from './helpers.ts'

const child = fileURLToPath(new URL('../../fixtures/store/crash.js', import.meta.url))

/** A closed store with two queues: many small messages, and a large one. */
async function fill(folder: string) {
  const store = await open(folder, { limits: { windowMessages: 10 } })
  const log = store.openLog(1, { durable: true })
  for (let i = 0; i < 3_000; i++) {
    log.append(message(`${i} `.padEnd(200, 'x')), 0)
    if (i % 50 === 0) await store.synced()
  }
  store.openLog(2, { durable: true }).append(message(Buffer.alloc(300_000, 1)), 0)
  store.definitions.put('queue/a', {})
  await store.close()
}

/** Opens and drains a store; what it finds broken, it rejects with. */
async function drain(folder: string): Promise<number> {
  let broken: Error | undefined
  function onBroken(error: Error) {
    broken ??= error
  }
  const store = await openStore({ folder, onBlocked() {}, onUnblocked() {}, onBroken })
  let count = 0
  for (const id of [1, 2]) {
    const log = store.openLog(id, { durable: true })
    while (log.take()) count++
    if (log.ready > 0 && !broken) throw new Error(`queue ${id} keeps ${log.ready}`)
  }
  await store.close()
  if (broken) throw broken
  return count
}

const damaged = { code: 'WARREN_STORE_DAMAGED' }

t.test('a folder that another process has', async (t) => {
  const folder = t.testdir()
  const other = run(process.execPath, [child, folder])
  t.teardown(() => other.end('SIGKILL'))
  await other.outputs(/^S /m)
  const locked = { code: 'WARREN_STORE_LOCKED', message: new RegExp(`${folder} is in use by process ${other.pid}`) }
  await t.rejects(open(folder), locked)
  await t.rejects(open(folder), locked, 'and again: the attempt left the lock alone')
  await other.end('SIGKILL')
  const store = await open(folder)
  t.pass('a killed process has it no more')
  await t.rejects(open(folder), { code: 'WARREN_STORE_LOCKED' }, 'nor may this process open it twice')
  await store.close()
  t.notOk(existsSync(join(folder, 'lock')))
})

const skip = existsSync('/proc/self/stat') ? false : 'no /proc'
t.test('a lock file of the version before, whose process still runs', { skip }, async (t) => {
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8')
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const folder = t.testdir({ lock: `${process.ppid} ${start}` })
  await t.rejects(open(folder), { code: 'WARREN_STORE_LOCKED' })
})

t.test('a lock file with an id that belongs to another process since', async (t) => {
  const folder = t.testdir({ lock: `${process.ppid} 1` })
  if (existsSync('/proc/self/stat')) await (await open(folder)).close()
  writeFileSync(join(folder, 'lock'), `${process.pid} 1`)
  await (await open(folder)).close()
  writeFileSync(join(folder, 'lock'), '')
  await (await open(folder)).close()
  t.notOk(existsSync(join(folder, 'lock')))
})

t.test('damage is an error that names the folder, and never an empty store', async (t) => {
  const root = t.testdir()
  const whole = join(root, 'whole')
  await fill(whole)
  let copies = 0

  function copy(): { folder: string; data: string } {
    const folder = join(root, String(copies++))
    cpSync(whole, folder, { recursive: true })
    return { folder, data: join(folder, 'data.mdb') }
  }

  t.equal(await drain(copy().folder), 3_001, 'it is whole')

  await t.test('the data file is gone', async (t) => {
    const { folder, data } = copy()
    rmSync(data)
    await t.rejects(drain(folder), { ...damaged, message: new RegExp(`${folder} .*is gone.*backup`) })
    await t.rejects(drain(folder), damaged, 'the second time too')
    t.notOk(existsSync(data))
  })

  await t.test('the data file is cut off', async (t) => {
    const { size } = statSync(join(whole, 'data.mdb'))
    const sizes = [0, 100, 4_096, 5_000, 8_192, 16_384, size >> 2, size >> 1, size - 65_536, size - 4_096, size - 1]
    for (const length of sizes) {
      const { folder, data } = copy()
      truncateSync(data, length)
      // Its last pages may be free ones: then nothing is missing.
      const outcome = await drain(folder).catch((error: { code?: string }) => error.code)
      const isWhole = outcome === 3_001 && length > size - 100_000
      t.ok(isWhole || outcome === damaged.code, `cut off after ${length} of ${size} bytes: ${outcome}`)
    }
  })

  await t.test('bytes of the data file are others', async (t) => {
    const pages = statSync(join(whole, 'data.mdb')).size / 4_096
    let found = 0
    for (let page = 0; page < pages; page += 3) {
      const { folder, data } = copy()
      const raw = readFileSync(data)
      // From its header on, and in its middle; zeros and noise.
      raw.fill(page % 2 ? 0 : 0xab, page * 4_096 + (page % 4 < 2 ? 0 : 1_000), page * 4_096 + 4_000)
      writeFileSync(data, raw)
      const outcome = await drain(folder).catch((error: { code?: string }) => error.code)
      if (outcome === damaged.code) found++
      else if (outcome !== 3_001) t.fail(`page ${page}: ${outcome}`)
      rmSync(folder, { recursive: true })
    }
    t.ok(found > pages / 12, `${found} of ${pages} pages were in use`)
  })

  await t.test('the marks are gone', async (t) => {
    const { folder } = copy()
    rmSync(join(folder, 'marks'))
    for (const _ of [1, 2]) {
      const store = await open(folder)
      const log = store.openLog(1, { durable: true })
      t.equal(must(log.peek()).redelivered, true, 'all may have been handed out')
      t.equal(log.append(message('new'), 0).redelivered, false)
      await store.synced()
      // As a killed process leaves it.
      const left = join(root, `left-${copies++}`)
      cpSync(folder, left, { recursive: true })
      await store.close()
      cpSync(left, folder, { recursive: true })
      rmSync(join(folder, 'lock'))
    }
  })

  await t.test('a creation that was cut short', async (t) => {
    const folder = join(root, `short-${copies++}`)
    await (await open(folder)).close()
    rmSync(join(folder, 'store.json'))
    await (await open(folder)).close()
    rmSync(join(folder, 'store.json'))
    truncateSync(join(folder, 'data.mdb'), 0)
    await (await open(folder)).close()
    t.same(readdirSync(folder).sort(), ['data.mdb', 'data.mdb-lock', 'marks', 'store.json'])
  })

  await t.test('the format of another version', async (t) => {
    const { folder } = copy()
    const format = (text: string) => writeFileSync(join(folder, 'store.json'), text)
    for (const text of ['{"format":3}', '{}', '[]', 'null']) {
      format(text)
      await t.rejects(open(folder), { code: 'WARREN_STORE_FORMAT', message: /store\.json, found (3|none)/ }, text)
      t.equal(readFileSync(join(folder, 'store.json'), 'utf8'), text, 'left as it was')
    }
    format('{"for')
    await t.rejects(open(folder), damaged)
    format('')
    t.equal(await drain(folder), 3_001, 'a machine that went down before it was written')
  })

  await t.test('the pages of another database', async (t) => {
    const { folder, data } = copy()
    copyFileSync(fileURLToPath(import.meta.url), data)
    await t.rejects(drain(folder), damaged)
  })
})
