import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive } from '../helpers/process.ts'
import { startTasks, taskWorker } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @counts-messages
// @long

t.setTimeout(600_000)

const options = "concurrency: 5, scale: { min: 0, max: 3, messagesPerInstance: 20, cooldown: '1s' },"
const tasks = await startTasks(t, { workers: { slow: options, other: '' } })
const sleeps = () => tasks.runs('slow', 0)
const pidOf = async (name: string) => (await tasks.pids())[name]?.[0]

async function killAutoscaler() {
  const pid = (await pidOf('autoscaler')) as number
  process.kill(pid, 'SIGKILL')
  const back = async () => {
    const now = await pidOf('autoscaler')
    return now !== undefined && now !== pid
  }
  await until(back, { what: 'pm2 to restart the autoscaler' })
}

t.test('an autoscaler that is killed goes on where it was', async (t) => {
  await sleeps()
  await killAutoscaler()
  await tasks.send('slow', 1, 0)
  t.same(await tasks.settled('slow'), [], 'it wakes what its predecessor has put to sleep')

  await tasks.send('slow', 300, 100)
  await tasks.runs('slow', 2)
  await killAutoscaler()
  t.same(await tasks.settled('slow'), [], 'each message was handled once')
  await sleeps()
  await tasks.send('slow', 1, 0)
  t.same(await tasks.settled('slow'), [])
})

t.test('npm start while a worker sleeps lets it sleep', async (t) => {
  await sleeps()
  const before = await tasks.pids()
  t.match(await tasks.npm('start'), { code: 0, stdout: /already running/ })
  t.same(await tasks.pids(), before, 'nothing has been started, or started anew')

  tasks.write('workers/other.ts', `${taskWorker('other')}\n// changed\nexport const changed = true\n`)
  const { code, stdout } = await tasks.npm('start')
  t.equal(code, 0, stdout)
  t.match(stdout, 'restarting other')
  t.notMatch(stdout, 'slow')
  const { autoscaler, other, ...same } = await tasks.pids()
  const { autoscaler: scalerBefore, other: otherBefore, ...sameBefore } = before
  t.same(same, sameBefore, 'nothing else was touched')
  t.notSame(other, otherBefore)
  t.equal(autoscaler?.length, 1)
  t.notSame(autoscaler, scalerBefore, 'the autoscaler was away meanwhile')
  await tasks.send('slow', 1, 0)
  t.same(await tasks.settled('slow'), [], 'and it is woken by the next one')
})

t.test('npm stop in the middle of a burst leaves nothing running, and the rest of it for the next start', async (t) => {
  const burst = await tasks.send('slow', 600, 100)
  await tasks.runs('slow', 3)
  t.match(await tasks.npm('stop'), { code: 0, stderr: '' })
  await until(() => tasks.processes().length === 0, { what: 'the processes to end' })
  const done = new Set(tasks.notes('slow').flatMap(({ what, n }) => (what === 'done' ? [n] : [])))
  const left = burst.filter((n) => !done.has(n)).length
  // None, on a machine that takes longer to start `npm stop` than the burst takes.
  t.comment(`${left} messages were left.`)
  t.match(await tasks.npm('start'), { code: 0, stderr: '' })
  t.same(await tasks.settled('slow'), [], 'each message was handled once')
  await sleeps()
})

t.test('without the pm2 daemon all processes end, and npm start brings everything back', async (t) => {
  await tasks.send('slow', 200, 100)
  await tasks.runs('slow', 3)
  const daemon = Number(readFileSync(join(tasks.env.PM2_HOME as string, 'pm2.pid'), 'utf8'))
  process.kill(daemon, 'SIGKILL')
  await until(() => tasks.processes().length === 0, { what: 'the processes to end', interval: 100 })
  t.notOk(isAlive(daemon))
  const start = await tasks.npm('start')
  t.equal(start.code, 0, start.stdout + start.stderr)
  t.same(await tasks.settled('slow'), [], 'each message was handled once')
  await sleeps()
  await tasks.send('slow', 1, 0)
  t.same(await tasks.settled('slow'), [])
})
