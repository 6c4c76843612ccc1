import { join } from 'node:path'
import t from 'tap'
import { writePin } from '../../supervisor/scaling/notes.ts'
import { startTasks } from '../helpers/tasks.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

const tasks = await startTasks(t, {
  workers: { slow: "concurrency: 5, scale: { min: 0, max: 4, messagesPerInstance: 20, cooldown: '1s' }," },
})

async function slow() {
  return (await tasks.list()).filter(({ name }) => name === 'slow')
}

async function asleep() {
  await tasks.runs('slow', 0)
  await until(async () => (await slow()).every(({ status }) => status === 'stopped'), { what: 'slow to be asleep' })
}

const pin = (instances: number | undefined) => writePin(join(tasks.root, 'data'), 'slow', instances)

/** Has four instances, whatever there is to do. All have started: pm2 brings back what it stops before that. */
async function awake(): Promise<number[]> {
  await pin(4)
  const online = async () => (await slow()).filter(({ status }) => status === 'online').map(({ pid }) => pid)
  const pids = await until(
    async () => {
      const found = await online()
      return found.length === 4 && (await slow()).length === 4 ? found : undefined
    },
    { what: 'four instances' },
  )
  const busy = () => new Set(tasks.notes('slow').map(({ pid }) => pid))
  await tasks.sendUntil('slow', 20, () => pids.every((pid) => busy().has(pid)))
  return pids
}

t.test('a restart by hand is none of its business', async (t) => {
  const before = await awake()
  await tasks.send('slow', 200, 100)
  const decisions = tasks.logs('autoscaler').length
  t.equal((await tasks.pm2('reload', 'slow')).code, 0)
  const after = await tasks.runs('slow', 4)
  t.notOk(after.some((pid) => before.includes(pid)))
  const since = tasks.logs('autoscaler').slice(decisions)
  t.same(
    since.filter(({ msg }) => msg === 'scaling out'),
    [],
    'no others came for those that went and came back',
  )
  t.same(await tasks.settled('slow'), [], 'each message was handled once')
  await pin(undefined)
})

t.test('scaled by hand while it sleeps, it is followed all the same', async (t) => {
  await asleep()
  t.equal((await tasks.pm2('scale', 'slow', '3')).code, 0)
  await asleep()
  await until(async () => (await slow()).length === 1, { what: 'pm2 to have forgotten all but one' })
  await tasks.send('slow', 400, 100)
  await tasks.runs('slow', 4)
  t.same(await tasks.settled('slow'), [])
})

t.test('what somebody has stopped stays so, whether it ran or slept', async (t) => {
  t.equal((await tasks.pm2('scale', 'history', '3')).code, 0)
  const history = await tasks.runs('history', 3)
  const told = () => tasks.logs('autoscaler').filter(({ msg }) => String(msg).startsWith('stopped by hand'))

  for (const [index, state] of ['awake', 'asleep'].entries()) {
    if (state === 'awake') await awake()
    else await asleep()
    const before = told().length
    t.equal((await tasks.pm2('stop', 'slow')).code, 0)
    await tasks.send('slow', 50, 10)
    await until(() => told().length > before, { what: 'the autoscaler to tell' })
    t.same(await tasks.running('slow'), [])
    const lines = tasks.logs('autoscaler').length
    // That nothing happens only time can show.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    t.same(await tasks.running('slow'), [], `${state}, it was stopped`)
    t.same(tasks.logs('autoscaler').slice(lines), [], 'nothing more to tell')

    await pin(undefined)
    t.equal((await tasks.pm2(index ? 'start' : 'restart', 'slow')).code, 0)
    t.same(await tasks.settled('slow'), [])
  }
  await asleep()
  await tasks.send('slow', 1, 0)
  t.same(await tasks.settled('slow'), [], 'it is woken again')
  t.same(await tasks.running('history'), history, 'as pm2 was told')
})
