import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive } from '../helpers/process.ts'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

/** Milliseconds from pm2's start of a process to the first message that it has handled. */
const TAKES_PART = process.env.WARREN_STRICT === '1' ? 1_000 : 5_000

const tasks = await startTasks(t, { workers: { work: 'concurrency: 10,', gone: '' } })
const work = async () => (await tasks.list()).filter(({ name }) => name === 'work')

/** Lets something happen under a steady load, and waits until all messages are handled; resolves with what came twice. */
async function underLoad(happen: () => Promise<unknown>): Promise<number[]> {
  let isOver = false
  const before = tasks.notes('work').length
  const sending = tasks.sendUntil('work', 20, () => isOver)
  sending.catch(() => {}) // awaited below
  await until(() => tasks.notes('work').length > before + 100, { what: 'messages to be handled' })
  try {
    await happen()
  } finally {
    isOver = true
    await sending
  }
  return tasks.settled('work')
}

t.test('pm2 scale up: the new instances take part at once', async (t) => {
  const [first] = await tasks.running('work')
  const twice = await underLoad(async () => {
    t.equal((await tasks.pm2('scale', 'work', '4')).code, 0)
    await until(() => new Set(tasks.notes('work').map(({ pid }) => pid)).size === 4, { what: 'all to take part' })
  })
  t.same(twice, [])
  const took = (await work())
    .filter(({ pid }) => pid !== first)
    .map(({ pid, startedAt }) => {
      const handled = tasks.notes('work').find((note) => note.pid === pid && note.what === 'done')
      return (handled?.at ?? Number.POSITIVE_INFINITY) - startedAt
    })
  t.comment(`From pm2's start of a process to its first handled message it took ${took.join(', ')} ms.`)
  t.equal(took.length, 3)
  t.ok(Math.max(...took) < TAKES_PART, `less than ${TAKES_PART} ms each`)
})

t.test('pm2 scale down: those that leave finish what they have begun', async (t) => {
  const before = await tasks.runs('work', 4)
  const twice = await underLoad(async () => {
    t.equal((await tasks.pm2('scale', 'work', '1')).code, 0)
    t.equal(before.filter(isAlive).length, 1, 'three have ended')
  })
  t.same(twice, [], 'none came twice')
  const stopped = tasks.logs('work').filter(({ msg, pid }) => msg === 'stopped' && before.includes(pid as number))
  t.equal(stopped.length, 3, 'each after its drain')
})

t.test('of an instance that is killed comes twice what it worked on, and what was not acked yet', async (t) => {
  t.equal((await tasks.pm2('scale', 'work', '3')).code, 0)
  const [victim] = (await tasks.runs('work', 3)) as [number]
  const takesPart = (pid: number) => tasks.notes('work').some((note) => note.pid === pid)
  const twice = await underLoad(async () => {
    await until(() => takesPart(victim), { what: 'it to take part' })
    process.kill(victim, 'SIGKILL')
    await until(async () => (await tasks.running('work')).every((pid) => pid !== victim), { what: 'it to end' })
    await tasks.runs('work', 3)
  })
  const its = tasks.notes('work').filter(({ pid }) => pid === victim)
  const begun = new Set(its.flatMap(({ what, n }) => (what === 'begun' ? [n] : [])))
  const handled = new Map(its.flatMap(({ what, n, at }) => (what === 'done' ? [[n, at]] : [])))
  t.ok(
    twice.every((n) => begun.has(n)),
    'all were its own',
  )
  const last = Math.max(...its.map(({ at }) => at))
  const ages = twice.filter((n) => handled.has(n)).map((n) => last - (handled.get(n) as number))
  t.comment(
    `${twice.length} messages came twice; ms before its end it had handled of these: ${ages.join(', ') || 'none'}.`,
  )
  t.ok(twice.length - ages.length <= 10, 'no more than it works on at a time')
  // An ack may be 10 ms behind its handler; the broker lets an instance have twice as many of 20 ms as it works on.
  t.ok(ages.length <= 10, 'and no more handled ones than can lack their acks')
})

for (const command of ['reload', 'restart']) {
  t.test(`pm2 ${command} of three instances loses nothing, and nothing comes twice`, async (t) => {
    const before = await tasks.runs('work', 3)
    const earlier = tasks.notes('work').length
    const twice = await underLoad(async () => t.equal((await tasks.pm2(command, 'work')).code, 0))
    t.same(
      twice.filter((n) =>
        tasks
          .notes('work')
          .slice(earlier)
          .some((note) => note.n === n),
      ),
      [],
    )
    const after = await tasks.runs('work', 3)
    t.notOk(after.some((pid) => before.includes(pid)))
  })
}

t.test('a worker whose file is gone finishes what it has begun, and goes', async (t) => {
  const [pid] = (await tasks.runs('gone', 1)) as [number]
  await tasks.send('gone', 1, 3_000)
  await until(() => tasks.notes('gone').length > 0, { what: 'it to begin' })
  const source = readFileSync(join(tasks.root, 'workers/gone.ts'), 'utf8')
  tasks.remove('workers/gone.ts')
  const { code, stdout } = await tasks.npm('start')
  t.equal(code, 0, stdout)
  t.match(stdout, 'removing gone: no longer part of the project')
  t.notOk(isAlive(pid))
  t.match(tasks.notes('gone'), [{ what: 'begun' }, { what: 'done', pid }])
  t.notOk((await tasks.list()).some(({ name }) => name === 'gone'))

  tasks.write('workers/gone.ts', source)
  t.match(await tasks.npm('start'), { code: 0, stdout: /starting gone/ })
  await tasks.send('gone', 1, 0)
  t.same(await tasks.settled('gone'), [], 'what it had finished does not come again')
})
