import t from 'tap'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

t.test('more workers with work than places for them take turns', async (t) => {
  const busy = "concurrency: 1, scale: { min: 0, max: 1, messagesPerInstance: 20, cooldown: '60s' },"
  const tasks = await startTasks(t, {
    workers: { one: busy, two: busy, three: busy },
    // One of them is for the worker without `scale`.
    env: { MAX_INSTANCES: '3' },
  })
  // By name, `three` is before `two`: each has more to do than it can within the others' turn.
  const names = ['one', 'two', 'three']
  await Promise.all(names.map((name) => tasks.send(name, 120, 200)))
  const doneOf = (name: string) => tasks.notes(name).filter(({ what }) => what === 'done').length
  await until(() => names.every((name) => doneOf(name) >= 10), {
    what: 'each of them to have had a turn',
    timeout: 60_000,
  })
  const done = names.map(doneOf)
  t.comment(`When the last of them had its turn, they had handled ${done}.`)
  t.ok(
    done.every((count) => count < 120),
    'none was waited for until it had nothing left',
  )
  const reasons = tasks.logs('autoscaler').map(({ reason }) => String(reason))
  t.ok(reasons.some((reason) => reason.endsWith("0 of 1 under the machine's ceiling of 3: the others have their turn")))
})
