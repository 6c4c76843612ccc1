import { readFileSync } from 'node:fs'
import t from 'tap'
import { promised } from '../helpers/promised.ts'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

/** Milliseconds from a message to its handler where no process runs. */
const COLD_START = 500
/** Milliseconds from a burst to a handler in one instance more. */
const SCALE_OUT = 1_000

/** pm2's own variables: its counters, and what it knows of an app once that has run. */
const COUNTERS = ['pm_id', 'NODE_APP_INSTANCE', 'unique_id', 'pm_uptime', 'restart_time', 'created_at', 'pm_pid_path']
const OWN = new Set([...COUNTERS, 'prev_restart_delay', 'node_version', 'version', 'watch', 'exit_code'])

const tasks = await startTasks(t, {
  workers: { slow: "concurrency: 5, scale: { min: 0, max: 4, messagesPerInstance: 20, cooldown: '3s' }," },
})
const [asStarted] = await environments()

async function slow() {
  return (await tasks.list()).filter(({ name }) => name === 'slow')
}

async function asleep() {
  await tasks.runs('slow', 0)
  await until(async () => (await slow()).every(({ status }) => status === 'stopped'), { what: 'slow to be asleep' })
}

t.test('a worker with nothing to do has no process, and its next message starts one', async (t) => {
  await asleep()
  t.match(await slow(), [{ status: 'stopped' }], 'pm2 keeps it as one that it can start')
  const took: number[] = []
  for (let n = 0; n < 5; n++) {
    if (n > 0) await asleep()
    const before = Date.now()
    const [number] = await tasks.send('slow', 1, 0)
    const begun = () => tasks.notes('slow').find(({ what, n }) => what === 'begun' && n === number)
    took.push((await until(begun, { what: 'the handler to begin', interval: 5 })).at - before)
  }
  t.comment(`From the message to its handler it took ${took.join(', ')} ms.`)
  promised(t, Math.max(...took), COLD_START, 'from a message to its handler')
  t.same(await tasks.settled('slow'), [])
})

t.test('a burst gets all the instances that it is worth, and none once it is over', async (t) => {
  await asleep()
  // So that there is one instance when it begins.
  await tasks.send('slow', 1, 0)
  const [first] = await tasks.runs('slow', 1)
  await tasks.settled('slow')
  const known = new Set(tasks.notes('slow').map(({ pid }) => pid))
  t.ok(known.has(first as number))

  const before = Date.now()
  await tasks.send('slow', 400, 100)
  const burst = () => tasks.notes('slow').filter(({ at }) => at >= before)
  const extra = await until(() => burst().find(({ pid }) => !known.has(pid)), { what: 'one more', interval: 5 })
  const took = extra.at - before
  t.comment(`One more instance handled the first message ${took} ms after the burst.`)
  promised(t, took, SCALE_OUT, 'from the burst to one more instance')
  // Where processes start slowly, one burst is over before there are four.
  await tasks.sendUntil('slow', 100, () => new Set(burst().map(({ pid }) => pid)).size >= 4)
  t.same(await tasks.settled('slow'), [], 'each message was handled once')
  const over = Date.now()
  t.comment(`The burst was over after ${over - before} ms.`)
  t.equal(new Set(burst().map(({ pid }) => pid)).size, 4, 'all four took part')
  await asleep()
  t.ok(Date.now() - over > 2_000, 'not before the cooldown was over')
  t.equal((await slow()).length, 1, 'pm2 has forgotten all but the one that it can start')
  const decisions = tasks
    .logs('autoscaler')
    .filter(({ worker, msg }) => worker === 'slow' && /^scaling/.test(String(msg)))
  t.match(
    decisions.find(({ to }) => to === 4),
    { from: 3, desired: 4, reason: /messages, 20 an instance/ },
  )
})

t.test('its instances have the environment of the one that was started', async (t) => {
  t.same(await environments(), [], 'none runs')
  await tasks.send('slow', 300, 150)
  await tasks.runs('slow', 4)
  const [woken, ...added] = await environments()
  t.ok(Object.keys(asStarted ?? {}).length > 10)
  t.same(woken, asStarted, 'the one that was woken')
  t.equal(added.length, 3)
  for (const one of added) t.same(one, asStarted, 'one that was added')
})

/** The environments of the instances of `slow`, in the order of their ids. */
async function environments(): Promise<Record<string, string>[]> {
  const pids = (await slow()).filter(({ pid }) => pid > 0).map(({ pid }) => pid)
  return pids.map((pid) => {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
    const pairs = entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)])
    return Object.fromEntries(pairs.filter(([name]) => !OWN.has(name as string)))
  })
}
