import { join } from 'node:path'
import t from 'tap'
import { writePin } from '../../supervisor/scaling/notes.ts'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

const scale = (max: number) => `scale: { min: 0, max: ${max}, messagesPerInstance: 20, cooldown: '1s' },`

t.test('a worker that is pinned to two has two, whatever there is to do', async (t) => {
  const tasks = await startTasks(t, { workers: { slow: `concurrency: 5, ${scale(4)}` } })
  const pin = (instances?: number) => writePin(join(tasks.root, 'data'), 'slow', instances)
  await tasks.runs('slow', 0)
  await pin(2)
  await tasks.runs('slow', 2)
  const counts = new Set<number>()
  const counting = setInterval(async () => counts.add((await tasks.running('slow')).length), 50)
  t.teardown(() => clearInterval(counting))
  await tasks.send('slow', 300, 50)
  t.same(await tasks.settled('slow'), [])
  // Longer than the cooldown.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  clearInterval(counting)
  t.same([...counts], [2])

  await pin()
  await tasks.runs('slow', 0)
  // Enough to last until the fourth has started, however busy the machine is.
  await tasks.send('slow', 2_000, 50)
  await tasks.runs('slow', 4)
  t.same(await tasks.settled('slow'), [])
  await pin(0)
  await tasks.runs('slow', 0)
  await tasks.send('slow', 1, 0)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  t.same(await tasks.running('slow'), [], 'pinned to none, it has none')
  await pin()
  t.same(await tasks.settled('slow'), [])
})

t.test('under a ceiling of three two workers with a backlog both get on', async (t) => {
  const tasks = await startTasks(t, {
    workers: { one: `concurrency: 5, ${scale(4)}`, two: `concurrency: 5, ${scale(4)}` },
    env: { MAX_INSTANCES: '3' },
  })
  let most = 0
  const counting = setInterval(async () => {
    const { history = [], one = [], two = [] } = await tasks.pids()
    most = Math.max(most, history.length + one.length + two.length)
  }, 20)
  t.teardown(() => clearInterval(counting))
  await Promise.all([tasks.runs('one', 0), tasks.runs('two', 0)])
  most = 0
  await Promise.all([tasks.send('one', 300, 50), tasks.send('two', 300, 50)])
  const done = () => ['one', 'two'].map((worker) => tasks.notes(worker).filter(({ what }) => what === 'done').length)
  await until(() => Math.max(...done()) === 300, { what: 'all messages of one', timeout: 120_000 })
  const counts = done()
  t.comment(`When one of them had handled all of its messages, they had handled ${counts.join(' and ')}.`)
  t.ok(Math.min(...counts) > 0, 'both get on')
  t.same(await Promise.all([tasks.settled('one'), tasks.settled('two')]), [[], []])
  t.equal(most, 3, 'never more than three processes of workers, that without `scale` among them')
})

t.test('a handler that is at work when its instance is to go finishes, and once', async (t) => {
  const tasks = await startTasks(t, {
    workers: { slow: `concurrency: 5, ${scale(4)}` },
    env: { SHUTDOWN_TIMEOUT: '2s' },
  })
  const found = (what: string, number: number) =>
    tasks.notes('slow').find((one) => one.what === what && one.n === number)
  await writePin(join(tasks.root, 'data'), 'slow', 4)
  await tasks.runs('slow', 4)
  const takePart = () => new Set(tasks.notes('slow').map(({ pid }) => pid)).size === 4
  await tasks.sendUntil('slow', 20, takePart)
  await tasks.settled('slow')
  // One for each of the four, which are worth one instance.
  const long = await tasks.send('slow', 4, 6_000)
  const begun = () => long.every((n) => found('begun', n))
  await until(begun, { what: 'the long ones to begin' })
  await writePin(join(tasks.root, 'data'), 'slow', undefined)
  t.same(await tasks.settled('slow'), [], 'each was begun once')
  const quieted = tasks.logs('slow').filter(({ msg }) => msg === 'taking no more messages')
  let toldToGo = 0
  for (const n of long) {
    const { pid = 0, at: begun = 0 } = found('begun', n) ?? {}
    const { pid: samePid, at: done = 0 } = found('done', n) ?? {}
    t.equal(samePid, pid)
    t.ok(done - begun >= 5_990, 'it had its six seconds')
    const at = quieted.filter((line) => line.pid === pid).map(({ time }) => Date.parse(String(time)))
    if (at.some((one) => one > begun && one < done)) toldToGo++
  }
  t.ok(toldToGo > 0, `${toldToGo} instances were told to go while they were at a long one`)
  await tasks.runs('slow', 0)
  t.notOk(
    tasks.logs('slow').some(({ msg }) => /shutdown timeout|given back/.test(String(msg))),
    'nothing was cut',
  )
})
