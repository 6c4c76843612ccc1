import { readFileSync } from 'node:fs'
import t from 'tap'
import { createProject, isAlive, readyWorker, stubWorker } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

t.test('start, start again, stop', async (t) => {
  const project = await createProject(t, { history: readyWorker('history'), thumbnail: readyWorker('thumbnail') })

  const first = await project.npm('start')
  t.equal(first.code, 0, first.stdout + first.stderr)
  t.match(first.stdout, `http://127.0.0.1:${project.env.PORT}`, 'tells where it listens')
  t.match(first.stdout, 'npx pm2 scale', 'tells what to try')
  t.notMatch(first.stdout + first.stderr, 'secret', 'keeps the password to itself')
  const running = await project.pids()
  t.same(Object.keys(running).sort(), ['autoscaler', 'front-door', 'history', 'thumbnail'])
  t.equal((await fetch(`http://127.0.0.1:${project.env.PORT}/`)).status, 200)

  const second = await project.npm('start')
  t.equal(second.code, 0, second.stderr)
  t.match(second.stdout, 'already running')
  t.same(await project.pids(), running, 'nothing was restarted')

  t.match((await project.npm('status')).stdout, /history .*online +ready/)

  const stop = await project.npm('stop')
  t.equal(stop.code, 0, stop.stderr)
  t.match(stop.stdout, 'stopping front-door, history, thumbnail, autoscaler')
  t.notOk(Object.values(running).flat().some(isAlive), 'the processes have ended')

  const again = await project.npm('stop')
  t.match(again, { code: 0, stdout: /Nothing is running/ })
})

t.test('a start does what has changed, and no more', async (t) => {
  const project = await createProject(t, { history: readyWorker('history'), thumbnail: readyWorker('thumbnail') })
  t.equal((await project.npm('start')).code, 0)
  t.equal((await project.pm2('scale', 'history', '3')).code, 0)
  const before = await project.pids()
  t.equal(before.history?.length, 3)

  project.remove('workers/thumbnail.ts')
  project.write('workers/added.ts', readyWorker('added'))
  const changed = await project.npm('start')
  t.equal(changed.code, 0, changed.stderr)
  t.match(changed.stdout, 'removing thumbnail')
  t.match(changed.stdout, 'starting added')
  const { added, autoscaler, ...rest } = await project.pids()
  t.equal(added?.length, 1)
  t.equal(autoscaler?.length, 1)
  t.not(autoscaler?.[0], before.autoscaler?.[0], 'it was away meanwhile, and knows the new ones')
  t.same(rest, { 'front-door': before['front-door'], history: before.history }, 'the others were left alone')

  project.write('workers/history.ts', readyWorker('history2'))
  const restarted = await project.npm('start')
  t.equal(restarted.code, 0, restarted.stderr)
  const recoded = await project.pids()
  t.same(recoded.added, added)
  t.equal(recoded.history?.length, 3, 'still scaled')
  t.notOk(
    recoded.history?.some((pid) => before.history?.includes(pid)),
    'restarted with the new code',
  )

  const env = { LOG_LEVEL: 'debug', API_KEYS: 'a-key-of-this-test' }
  const changedEnv = await project.npm('start', [], env)
  t.equal(changedEnv.code, 0, changedEnv.stderr)
  const seen = await fetch(`http://127.0.0.1:${project.env.PORT}/`).then((r) => r.json())
  t.match(seen, env, 'restarted with the new environment')
  const kept = await project.pids()
  const dropped = await project.npm('start')
  t.match(dropped, { code: 1, stderr: /front door runs with API_KEYS, and this start has none/ })
  t.same(await project.pids(), kept, 'nothing was stopped')
  const reset = await project.npm('start', ['--without-keys'])
  t.equal(reset.code, 0, reset.stderr)
  const unset = (await fetch(`http://127.0.0.1:${project.env.PORT}/`).then((r) => r.json())) as NodeJS.ProcessEnv
  t.notOk(unset.LOG_LEVEL, 'a variable that is no longer set is gone')
  t.notOk(unset.API_KEYS)
  t.match(await project.npm('start'), { code: 0, stdout: /already running/ }, "it was somebody's will")
  t.equal((await project.pids()).history?.length, 3, 'still scaled')
})

t.test('two starts at the same time are one start, and pm2 by hand does as well', async (t) => {
  const project = await createProject(t, { one: readyWorker('one'), two: readyWorker('two') })
  const byHand = await project.pm2('start', 'ecosystem.config.cjs')
  t.equal(byHand.code, 0, byHand.stdout + byHand.stderr)
  t.equal((await project.pids()).two?.length, 1, 'built and started in a fresh clone')
  t.match(await project.npm('start'), { code: 0, stdout: /already running/ })
  t.equal((await project.npm('stop')).code, 0)

  const both = await Promise.all([project.npm('start'), project.npm('start')])
  t.match(both, [{ code: 0 }, { code: 0 }])
  t.equal(both.filter(({ stdout }) => stdout.includes('already running')).length, 1)
  t.equal((await project.list()).length, 4)

  project.write('workers/one.ts', 'this does not compile')
  t.equal((await project.npm('start')).code, 1)
  t.match((await project.npm('status')).stdout, /two .*ready/, 'a mistake leaves what runs alone')
  t.equal((await project.pm2('delete', 'ecosystem.config.cjs')).code, 0)
  t.same(await project.list(), [], 'stopping needs no code that compiles')
})

t.test('stop ends only what is ours', async (t) => {
  const ours = await createProject(t, { history: readyWorker('history') })
  const theirs = await createProject(t, {}, { home: ours.env.PM2_HOME as string })
  theirs.write('other.cjs', 'setInterval(() => {}, 1000)')
  t.equal((await theirs.pm2('start', 'other.cjs', '--name', 'other')).code, 0)
  t.equal((await ours.npm('start')).code, 0)
  const { other } = await ours.pids()

  // In their folder, an app of one of our names.
  theirs.write('workers/history.ts', readyWorker('history'))
  const clash = await theirs.npm('start')
  t.equal(clash.code, 1)
  t.match(clash.stderr, `'history', started from ${ours.root}`)

  t.equal((await ours.npm('stop')).code, 0)
  t.same(await ours.pids(), { other }, 'the other app runs on, and so does the daemon')
})

t.test('stop waits for a slow drain', async (t) => {
  const slow = `await report.set({ status: 'ready' })
    return async () => { await new Promise((r) => setTimeout(r, 1_900)); process.stdout.write('drained\\n') }`
  const project = await createProject(t, { slow: stubWorker('slow', slow) })
  t.equal((await project.npm('start')).code, 0)
  const pids = Object.values(await project.pids()).flat()

  const stop = await project.npm('stop')
  t.equal(stop.code, 0, stop.stderr)
  t.notOk(pids.some(isAlive))
  const recorded = readFileSync(`${project.env.PM2_HOME}/logs/slow-out.log`, 'utf8')
  t.match(recorded, 'drained', 'the drain was not cut short')
})
