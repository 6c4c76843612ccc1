import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { createProject, outputOf, readyWorker, stubWorker } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

t.test('what does not come up is told, and leaves nothing running', async (t) => {
  const project = await createProject(t, { good: readyWorker('good') })
  const bad = async (body: string, expected: RegExp) => {
    project.write('workers/bad.ts', stubWorker('bad', body))
    const { code, stdout, stderr } = await project.npm('start')
    t.equal(code, 1, stdout)
    t.match(stderr, expected)
    t.notMatch(stderr, /good|front-door/, 'names only the guilty')
    t.notMatch(stdout + stderr, 'secret')
    t.match(await project.npm('status'), { stdout: /Nothing is running/ })
  }
  await bad("throw new Error('no such table')", /bad: no such table/)
  // As if pm2 had seen its end before its last message, which it drops then.
  await bad(
    "process.removeAllListeners('disconnect'); process.disconnect(); throw new Error('no such table')",
    /bad: no such table/,
  )
  await bad('process.exit(3)', /bad: it ended with code 3/)
  await bad(
    `await report.set({ status: 'waiting', reason: 'login refused', code: 'ACCESS_REFUSED' }); return async () => {}`,
    /bad: login refused/,
  )
})

t.test('what is not ready in time is told', async (t) => {
  const project = await createProject(t, { good: readyWorker('good') })
  // The others are ready before, so that the time is the late one's alone.
  t.match(await project.npm('start'), { code: 0 })
  const waits = `await report.set({ status: 'waiting', reason: 'waiting for the broker' }); return async () => {}`
  project.write('workers/late.ts', stubWorker('late', waits))
  const { code, stderr } = await project.npm('start', ['--timeout', '10s'])
  t.equal(code, 1)
  t.match(stderr, /late: not ready after 10 s, waiting for the broker/)
  t.notMatch(stderr, /good|front-door/, 'names only the guilty')
})

t.test('a mistake is told before anything is started', async (t) => {
  const project = await createProject(t, { good: readyWorker('good') })
  const failure = async (expected: RegExp | RegExp[], env = {}) => {
    const { code, stderr } = await project.npm('start', [], env)
    t.equal(code, 1)
    for (const pattern of [expected].flat()) t.match(stderr, pattern)
    t.notMatch(stderr, /\n {4}at /, 'without a stack')
  }
  await failure(/ENOTDIR: .*'\/dev\/null\/pm2'/, { PM2_HOME: '/dev/null/pm2' })
  await failure([/PORT: expected/, /LOG_LEVEL: expected/], { PORT: 'x', LOG_LEVEL: 'loud' })

  project.write('workers/empty.ts', 'export {}')
  project.write('workers/throws.ts', "throw new Error('TOKEN is not set')")
  await failure([/workers\/empty\.ts: expected a worker/, /workers\/throws\.ts: .*TOKEN is not set/])

  project.write('workers/empty.ts', 'export const x: number = "a"')
  await failure([/do not compile/, /workers\/empty\.ts/])
  project.remove('workers/empty.ts')
  project.remove('workers/throws.ts')

  project.write('workers/good.mts', readyWorker('other'))
  await failure(/workers\/good\.mts and workers\/good\.ts/)
  project.remove('workers/good.mts')

  project.write('workers/all.ts', readyWorker('other'))
  await failure(/workers\/all\.ts: expected a name/)
  project.remove('workers/all.ts')

  const blocker = createServer().listen(0, '127.0.0.1')
  t.teardown(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  await failure(new RegExp(`front-door: Port ${port} on 127.0.0.1 is in use by another process`), {
    PORT: String(port),
  })
  t.match(await project.npm('status'), { stdout: /Nothing is running/ })
})

t.test('a start that waits tells why once, and can be interrupted', async (t) => {
  const waits = ['connecting', 'nobody listens', 'connecting', 'nobody listens']
    .map((reason) => `await report.set({ status: 'waiting', reason: '${reason}' });`)
    .concat('return async () => {}')
    .join(' ')
  const project = await createProject(t, { one: stubWorker('one', waits), two: stubWorker('two', waits) })
  t.equal((await project.npm('build')).code, 0)
  const child = spawn(process.execPath, ['dist/supervisor/cli.js', 'start'], { cwd: project.root, env: project.env })
  const output = outputOf(child)
  child.stdout.on('data', (chunk) => String(chunk).includes('nobody listens') && child.kill('SIGINT'))
  const { code, stdout, stderr } = await output
  t.equal(code, 1)
  t.equal(stdout.split('waiting: nobody listens').length, 2, 'one line for all')
  t.equal(stdout.split('connecting').length, 2, 'however often they try')
  t.match(stderr, 'Interrupted')
  t.match(await project.npm('status'), { stdout: /Nothing is running/ })
})
