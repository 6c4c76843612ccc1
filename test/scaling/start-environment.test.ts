import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { createProject, readyWorker, stubWorker } from '../helpers/project.ts'

// @long

t.setTimeout(600_000)

const KEYS = { API_KEYS: 'Zo8fYgNc3QmS6tPd1RxLwBvH' }

/** Reads PAYMENT_URL, and does not start with some. */
const PAYMENT = stubWorker(
  'payment',
  `if (process.env.PAYMENT_URL === 'bad') throw new Error('no such bank')
   await report.set({ status: 'ready' })
   return async () => {}`,
)

const environOf = (pid: number | undefined) => readFileSync(`/proc/${pid}/environ`, 'utf8')
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

t.test('what changes restarts what sees it, and what can not start leaves what runs', async (t) => {
  const project = await createProject(t, { payment: PAYMENT, other: readyWorker('other') })
  const start = (env: NodeJS.ProcessEnv = {}, args: string[] = []) => project.npm('start', args, { ...KEYS, ...env })
  const home = project.env.PM2_HOME as string
  project.write('.env', 'PAYMENT_URL=one\n')
  chmodSync(join(project.root, '.env'), 0o644)

  const first = await start()
  t.equal(first.code, 0, first.stdout + first.stderr)
  t.match(first.stdout, /\.env can be read by other users: `chmod 600 .*\.env`/)
  t.same([home, join(project.root, 'data')].map(modeOf), ['700', '700'], 'nobody else gets in')
  const running = await project.pids()
  const daemon = Number(readFileSync(join(home, 'pm2.pid'), 'utf8'))
  if (process.platform === 'linux') {
    t.match(environOf(running['front-door']?.[0]), 'API_KEYS=')
    const others = ['payment', 'other', 'autoscaler'].flatMap((name) => running[name] ?? [])
    for (const pid of [daemon, ...others]) t.notMatch(environOf(pid), 'API_KEYS=')
    t.notMatch(environOf(daemon), 'AMQP_URL=')
  }

  t.comment('times, modes and owners are no change, nor is what a shell brings along')
  for (const file of readdirSync(join(project.root, 'dist'), { recursive: true, withFileTypes: true })) {
    if (file.isFile()) utimesSync(join(file.parentPath, file.name), new Date(), new Date())
  }
  project.write('.env', '# a note\nPAYMENT_URL=one\n')
  chmodSync(join(project.root, '.env'), 0o600)
  t.match(await start({ SSH_CLIENT: '10.0.0.1', TERM: 'xterm', EDITOR: 'vi' }), { code: 0, stdout: /already running/ })
  t.same(await project.pids(), running)

  t.comment('one variable, in the environment and in `.env`')
  const two = await start({ PAYMENT_URL: 'two' })
  t.match(two, { code: 0, stdout: /restarting payment: PAYMENT_URL has changed/ })
  const { payment, autoscaler, ...rest } = await project.pids()
  t.notSame(payment, running.payment)
  t.same(rest, { 'front-door': running['front-door'], other: running.other })
  project.write('.env', 'PAYMENT_URL=one\nAPI_KEYS=in-the-file-and-not-used\n')
  t.match(await start({ PAYMENT_URL: 'two' }), { code: 0, stdout: /already running/ }, 'the environment wins')

  t.comment('the project has another name, and is the same one')
  const settings = readFileSync(join(project.root, 'package.json'), 'utf8')
  project.write('package.json', settings.replace('"name": "warren"', '"name": "shop"'))
  const status = await project.npm('status')
  t.match(status.stdout, /payment .*online +ready/)
  project.write('package.json', settings)

  t.comment('a port that another process has')
  const blocker = createServer().listen(0, '127.0.0.1')
  t.teardown(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const before = await project.pids()
  t.match(await start({ PAYMENT_URL: 'two', PORT: String(port) }), {
    code: 1,
    stderr: /front-door: Port \d+ on .* in use/,
  })
  t.same(await project.pids(), before, 'nothing was stopped')

  t.comment('a worker that does not start with what it gets')
  const bad = await start({ PAYMENT_URL: 'bad' })
  t.equal(bad.code, 1, bad.stdout)
  t.match(bad.stderr, /payment: no such bank\npayment: running again, with the environment from before/)
  t.match((await project.npm('status')).stdout, /payment .*online +ready/)
  t.match(await start({ PAYMENT_URL: 'two' }), { code: 0, stdout: /already running/ }, 'as before')

  t.equal((await project.pm2('delete', 'other')).code, 0)
  t.match((await project.npm('status')).stdout, /^other +- +- +missing +`npm start` starts it$/m)
  t.ok(autoscaler)
})
