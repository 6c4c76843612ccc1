import { cpSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../helpers/process.ts'
import { open } from './helpers.ts'

// @counts-messages

const KILLS = Number(process.env.STORE_KILLS ?? 10)
const child = fileURLToPath(new URL('../../fixtures/store/crash.js', import.meta.url))
// Messages that were not handed out may be called redelivered, as far as a mark is set ahead.
const AHEAD = 1_024

/** What the child said, over all its lives. */
interface Said {
  safe: Set<number>
  taken: Set<number>
  askedToRemove: Set<number>
  removed: Set<number>
  next: number
}

// The sizes that the environment can set take longer than a test file's default.
t.setTimeout(20_000 * KILLS)
t.test(`what was safe is there after each of ${KILLS} kills, in order`, { timeout: 20_000 * KILLS }, async (t) => {
  const folder = t.testdir()
  const said: Said = { safe: new Set(), taken: new Set(), askedToRemove: new Set(), removed: new Set(), next: 0 }
  for (let kill = 1; kill <= KILLS; kill++) {
    const running = run(process.execPath, [child, folder, String(said.next)])
    t.teardown(() => running.end('SIGKILL'))
    await running.outputs(/^S /m)
    await sleep(Math.random() * 300)
    running.child.kill('SIGKILL')
    t.equal((await running.exited).signal, 'SIGKILL', running.stderr)
    listen(running.stdout, said)
    // The next life goes on with what this one left; looking at it is for a copy.
    const copy = `${folder}-copy`
    cpSync(folder, copy, { recursive: true })
    const { bad, found, notHandedOut } = await look(copy, said)
    rmSync(copy, { recursive: true })
    t.same(bad, [], `kill ${kill}: ${said.safe.size} were safe so far, ${found} are there`)
    t.ok(notHandedOut <= AHEAD * kill, `${notHandedOut} are called redelivered without having been handed out`)
  }
})

function listen(output: string, said: Said) {
  const sets: Record<string, Set<number>> = { S: said.safe, T: said.taken, R: said.askedToRemove, G: said.removed }
  // The last line may be cut off.
  for (const line of output.split('\n').slice(0, -1)) {
    const number = Number(line.slice(2))
    sets[line.charAt(0)]?.add(number)
    said.next = Math.max(said.next, number + 1)
  }
}

async function look(folder: string, said: Said) {
  const store = await open(folder, { diskFreeLimit: 0 })
  const found = new Set<number>()
  const bad: string[] = []
  let notHandedOut = 0
  for (const id of [1, 2]) {
    const log = store.openLog(id, { durable: true })
    const count = log.ready
    let previous = -1
    let seen = 0
    for (let entry = log.take(); entry; entry = log.take()) {
      const number = entry.message.body.readUInt32LE(0)
      seen++
      said.next = Math.max(said.next, number + 1)
      if (found.has(number)) bad.push(`${number} is there twice`)
      found.add(number)
      if (entry.position <= previous) bad.push(`${number} is out of order`)
      previous = entry.position
      if (id === 1 && said.taken.has(number) && !entry.redelivered) bad.push(`${number} is not marked redelivered`)
      if (said.removed.has(number)) bad.push(`${number} was removed`)
      if (id === 1 && entry.redelivered && !said.taken.has(number)) notHandedOut++
      if (entry.message.body.subarray(4).some((byte) => byte !== number % 251)) bad.push(`${number} has another body`)
      if (entry.message.properties.toString() !== `properties ${number}`) bad.push(`${number} has other properties`)
    }
    if (seen !== count) bad.push(`queue ${id} said ${count} were ready, and had ${seen}`)
  }
  const copies = store.openLog(3, { durable: true })
  for (let entry = copies.take(); entry; entry = copies.take()) {
    const number = entry.message.body.readUInt32LE(0)
    const { body } = entry.message
    if (body.length < 6_000 || body.subarray(4).some((byte) => byte !== number % 251))
      bad.push(`copy ${number} differs`)
  }
  for (const number of said.safe) {
    if (!found.has(number) && !said.askedToRemove.has(number)) bad.push(`${number} is lost`)
  }
  await store.close()
  return { bad: bad.slice(0, 20), found: found.size, notHandedOut }
}
