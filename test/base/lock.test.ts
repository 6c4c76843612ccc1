import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lockFile } from '#lock-file'
import { withLock } from '../../supervisor/base/lock.ts'
import { randomFrom } from '../helpers/random.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const LOCK_MODULE = new URL('../../../supervisor/base/lock-file.cjs', import.meta.url).pathname

/**
 * Takes the lock a number of times, and writes down each entry and exit. In between it kills itself at random, around
 * any call of the file system that the lock makes; what it writes before that tells a death inside from one outside.
 */
const RACER = `
const fs = require('node:fs')
const [folder, module_, seed, rounds, deaths] = process.argv.slice(1)
let state = Number(seed)
const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648
const record = (line) => fs.appendFileSync(folder + '/journal', line + ' ' + process.pid + '\\n')
let inside = false
const die = () => {
  if (random() > Number(deaths)) return
  if (inside) record('leave')
  process.kill(process.pid, 'SIGKILL')
}
const { link, rm, write } = { link: fs.linkSync, rm: fs.rmSync, write: fs.writeFileSync }
fs.linkSync = (...args) => { die(); link(...args); die() }
fs.rmSync = (...args) => { die(); rm(...args); die() }
fs.writeFileSync = (...args) => { die(); write(...args); die() }
const { lockFile } = require(module_)
const lock = lockFile(folder + '/lock', { silenceMs: 100000 })
for (let round = 0; round < Number(rounds); round++) {
  while (!lock.take()) { die(); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + random() * 3) }
  record('enter')
  inside = true
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random() * 3)
  die()
  record('leave')
  inside = false
  lock.release()
}
record('done')
`

t.test('never two inside, and never a wait for ever, whoever is killed wherever', async (t) => {
  const seed = Number(process.env.WARREN_SEED ?? Date.now() % 100_000)
  const random = randomFrom(seed)
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'journal'), '')
  writeFileSync(join(folder, 'lock'), '1')
  const racers = Number(process.env.WARREN_RACERS ?? 8)
  const start = (deaths: number) => {
    const args = ['-e', RACER, folder, LOCK_MODULE, String(Math.floor(random() * 1e9)), '15', String(deaths)]
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const ends = (child: ChildProcess) => once(child, 'close') as Promise<[number | null, string | null]>

  let killed = 0
  await Promise.all(
    Array.from({ length: racers }, async () => {
      // Most are killed sooner or later, and the last of each chain is spared.
      for (const deaths of [0.02, 0.02, 0.01, 0]) {
        const [code, signal] = await ends(start(deaths))
        if (signal) killed++
        else if (code !== 0) throw new Error(`a racer ended with code ${code}`)
        else break
      }
    }),
  )

  const journal = readFileSync(join(folder, 'journal'), 'utf8').trimEnd().split('\n')
  let inside: string | undefined
  for (const line of journal) {
    const [event, pid] = line.split(' ')
    if (event === 'enter') {
      if (inside !== undefined) t.fail(`seed ${seed}: ${pid} entered while ${inside} was inside`)
      inside = pid
    } else if (event === 'leave') inside = undefined
  }
  t.equal(journal.filter((line) => line.startsWith('done')).length, racers, `seed ${seed}: all came to their end`)
  t.ok(killed > racers / 2, `${killed} were killed`)
})

t.test('a file that holds the number of a process that lives, but did not write it', async (t) => {
  const file = join(temporaryFolder(t), 'lock')
  const gone = JSON.parse(ownText(file)) as Record<string, unknown>
  // As after `docker restart`: the same pid, another process.
  writeFileSync(file, JSON.stringify({ ...gone, start: '1' }))
  t.equal(await withLock(file, async () => 'done'), 'done')
  writeFileSync(file, JSON.stringify({ ...gone, pid: 2 ** 22 - 1 }))
  t.equal(await withLock(file, async () => 'done'), 'done')
  writeFileSync(file, JSON.stringify({ ...gone, boot: 'another' }))
  t.equal(await withLock(file, async () => 'done'), 'done', 'this machine has booted since')
  t.same(readdirSync(join(file, '..')), [], 'nothing is left')
})

t.test('a holder that can not be looked at has the lock as long as it gives signs of life', async (t) => {
  const file = join(temporaryFolder(t), 'lock')
  const elsewhere = { ...JSON.parse(ownText(file)), space: 'pid:[1]', silenceMs: 200 }
  writeFileSync(file, JSON.stringify(elsewhere))
  const lock = lockFile(file, { silenceMs: 200 })
  // It counts the time between looks, so a sign between any two of them is one.
  for (let signs = 0; signs < 20; signs++) {
    t.notOk(lock.take())
    writeFileSync(file, JSON.stringify({ ...elsewhere, signs }))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await withLock(file, async () => t.notOk(lock.take(), 'another has it now'))
  t.ok(lock.take())
  lock.release()
})

t.test('a zombie has nothing any more', { skip: process.platform !== 'linux' && 'Linux only' }, async (t) => {
  const file = join(temporaryFolder(t), 'lock')
  // The shell's child takes the lock and is killed; the shell never learns of its end.
  const take = `require(process.argv[1]).lockFile(process.argv[2], { silenceMs: 1e6 }).take(); process.kill(process.pid, 9)`
  const script = '"$0" -e "$1" "$2" "$3" & exec sleep 60'
  const parent = spawn('sh', ['-c', script, process.execPath, take, LOCK_MODULE, file], { stdio: 'ignore' })
  t.teardown(() => parent.kill())
  const lock = lockFile(file, { silenceMs: 1e6 })
  const taken = async () => {
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10))
    while (!lock.take()) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await t.resolves(taken(), 'it can be taken')
  lock.release()
})

t.test('one process waits for itself as well', async (t) => {
  const file = join(temporaryFolder(t), 'lock')
  const seen: string[] = []
  let waited = 0
  const enter = (name: string) => async () => {
    seen.push(`${name} in`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    seen.push(`${name} out`)
  }
  await Promise.all(['a', 'b'].map((name) => withLock(file, enter(name), () => waited++)))
  t.same(seen, ['a in', 'a out', 'b in', 'b out'])
  t.equal(waited, 1, 'told once')
  appendFileSync(file, 'x')
})

/** What this process writes into a lock. */
function ownText(file: string): string {
  const lock = lockFile(file, { silenceMs: 15_000 })
  lock.take()
  const text = readFileSync(file, 'utf8')
  lock.release()
  return text
}

t.test('a file system without hard links has locks as well', async (t) => {
  const file = join(temporaryFolder(t), 'lock')
  const { linkSync } = fs
  t.teardown(() => {
    fs.linkSync = linkSync
  })
  fs.linkSync = () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  }
  const [first, second] = [lockFile(file, { silenceMs: 1_000 }), lockFile(file, { silenceMs: 1_000 })]
  t.equal(first.take(), true)
  t.equal(second.take(), false)
  first.release()
  t.equal(second.take(), true)
  second.release()
  t.same(readdirSync(join(file, '..')), [], 'nothing is left')
})
