// What lmdb has written is never called damaged, and what it could not have written is.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findProblem } from '../../../supervisor/broker/store/check-file.ts'
import { removeCopy } from '../../../supervisor/broker/store/compaction.ts'
import { type Database, openDatabase } from '../../../supervisor/broker/store/database.ts'
import { DATA_FILE } from '../../../supervisor/broker/store/format.ts'
import { childOf, newest, readMetas, readPage } from '../../../supervisor/broker/store/pages.ts'
import { run } from '../../helpers/process.ts'
import { randomFrom } from '../../helpers/random.ts'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { randomOperations } from './random-operations.ts'

const SEED = Number(process.env.WARREN_SEED ?? 1)
const STORES = Number(process.env.STORE_FILES ?? 6)
const KILLS = Number(process.env.STORE_KILLS ?? 8)
const FLIPS = Number(process.env.STORE_FLIPS ?? 1_000)
const child = fileURLToPath(new URL('../../fixtures/store/random-database.js', import.meta.url))

t.setTimeout(600_000)

function problemOf(path: string): string | undefined {
  const file = openSync(path, 'r')
  try {
    return findProblem(file)
  } finally {
    closeSync(file)
  }
}

t.test('a value that is written twice in one transaction', async (t) => {
  const folder = temporaryFolder(t)
  const database = openDatabase(folder)
  t.teardown(() => database.close())
  const key = Buffer.from('key')
  for (const [first, second] of [
    [9_000, 5_000],
    [9_000, 3_000],
    [9_000, 100],
    [5_000, 9_000],
    [100_000, 2_100],
  ]) {
    await database.write([first, second].map((size) => ({ key, value: Buffer.alloc(size as number) })))
    t.equal(problemOf(join(folder, DATA_FILE)), undefined, `${first} bytes, then ${second}`)
    await database.write([{ key, value: undefined }])
  }
})

t.test(`after each of many transactions, ${STORES} times from seed ${SEED}`, async (t) => {
  for (let number = 0; number < STORES; number++) {
    const folder = temporaryFolder(t)
    const path = join(folder, DATA_FILE)
    const random = randomFrom(SEED * 1_000 + number)
    let database: Database = openDatabase(folder)
    for (let transaction = 0; transaction < 40; transaction++) {
      await database.write(randomOperations(random))
      const problem = problemOf(path)
      if (problem) t.fail(`store ${number}, transaction ${transaction}: ${problem}`)
      if (random() > 0.05) continue
      await database.close()
      database = openDatabase(folder)
    }
    await database.close()
    t.equal(problemOf(path), undefined)
  }
})

t.test(`after each of ${KILLS} kills, in the midst of transactions and of making it smaller`, async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, DATA_FILE)
  const random = randomFrom(SEED)
  let compactions = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const running = run(process.execPath, [child, folder, String(SEED * 100 + kill)])
    t.teardown(() => running.end('SIGKILL'))
    const writes = 1 + Math.floor(random() * 60)
    const isInCompaction = kill % 3 === 2
    const lines = isInCompaction ? `C\\n(?:[WC]\\n){${1 + (writes % 8)}}` : `(?:[WC]\\n){${writes}}`
    await running.outputs(new RegExp(lines))
    running.child.kill('SIGKILL')
    t.match(await running.exited, { signal: /SIGKILL|SIGABRT/ }, running.stderr)
    compactions += running.stdout.split('C').length - 1
    const problem = problemOf(path)
    if (problem) t.fail(`after kill ${kill}: ${problem}`)
    removeCopy(folder)
    const database = openDatabase(folder)
    for (const { value } of database.range(Buffer.of(0), Buffer.of(0xff))) if (value.length > 70_000) t.fail()
    await database.close()
  }
  t.ok(compactions > 0, `made smaller ${compactions} times`)
})

t.test(`one bit of the structure is another, in ${FLIPS} places`, async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, DATA_FILE)
  const database = openDatabase(folder)
  const random = randomFrom(SEED)
  const key = (number: number) =>
    Buffer.from(`key ${String((number * 7_919) % 10_007).padStart(5, '0')} of some length`)
  for (let round = 0; round < 4; round++) {
    await database.write(
      Array.from({ length: 2_000 }, (_, number) => ({
        key: key(number + round * 500),
        value: number % 5 ? Buffer.alloc(40 + (number % 200)) : number % 3 ? Buffer.alloc(6_000) : undefined,
      })),
    )
  }
  await database.close()
  t.equal(problemOf(path), undefined)
  const bits = structureOf(path)
  const raw = readFileSync(path)
  const missed: string[] = []
  const file = openSync(path, 'r+')
  t.teardown(() => closeSync(file))
  for (let flip = 0; flip < FLIPS; flip++) {
    const { at, bit, what } = bits[Math.floor(random() * bits.length)] as Bit
    const byte = raw[at] as number
    writeSync(file, Buffer.of(byte ^ (1 << bit)), 0, 1, at)
    if (findProblem(file) === undefined) missed.push(`${what}, byte ${at}, bit ${bit}`)
    writeSync(file, Buffer.of(byte), 0, 1, at)
  }
  t.same(missed, [])
  t.equal(problemOf(path), undefined)
})

interface Bit {
  at: number
  bit: number
  what: string
}

const HEADER = 24
const [PAGE_NUMBER, FLAGS, BOUNDS] = [0, 18, 20]

/** Every bit that tells where something is, in the newest start and in the pages of the records' tree. */
function structureOf(path: string): Bit[] {
  const raw = readFileSync(path)
  const file = openSync(path, 'r')
  const metas = readMetas(file)
  closeSync(file)
  const meta = newest(metas)
  const { pageSize } = meta
  const bits: Bit[] = []
  const add = (what: string, at: number, bytes: number, from = 0) => {
    for (let bit = from; bit < 8 * bytes; bit++) bits.push({ what, at: at + (bit >> 3), bit: bit & 7 })
  }
  const start = metas.indexOf(meta) * pageSize + HEADER
  add("its start's magic, version", start, 8)
  // Pads, what the system mapped, and when it was booted, tell nothing of where things are.
  add('page size, flags, depth of the free list', start + 24, 8)
  add('its counts and root', start + 32, 40)
  add("flags and depth of the records' tree", start + 76, 4)
  add('its counts and root', start + 80, 40)
  add('the transaction', start + 128, 8)

  const open = [Number(meta.main.root)]
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    const page = number * pageSize
    const read = readPage(raw.subarray(page, page + pageSize), number, meta.transaction)
    if (read.isBranch) open.push(...read.nodes.map((node) => childOf(read.raw, node)))
    add('number of a page', page + PAGE_NUMBER, 8)
    add('flags of a page', page + FLAGS, 2)
    add('bounds of a page', page + BOUNDS, 4)
    for (const [index] of read.nodes.entries()) {
      add('place of a node', page + HEADER + 2 * index, 2)
      const node = page + HEADER + raw.readUInt16LE(page + HEADER + 2 * index)
      const keyEnd = node + 8 + raw.readUInt16LE(node + 6)
      // In two bytes' steps: what lies between is for the records' own checksums.
      add('size of a key', node + 6, 2, 1)
      if (read.isBranch) {
        add('page below', node, 6)
        continue
      }
      add('flags of a node', node + 4, 2)
      if ((raw.readUInt16LE(node + 4) & 1) === 0) {
        add('size of a value', node, 4, 1)
        continue
      }
      add('page of a value', keyEnd, 8)
      add('pages of a value', keyEnd + 16, 8)
      const large = Number(raw.readBigUInt64LE(keyEnd)) * pageSize
      add("number of a value's page", large + PAGE_NUMBER, 8)
      add("flags of a value's page", large + FLAGS, 2)
      add("pages, in a value's page", large + BOUNDS, 4)
    }
  }
  return bits
}
