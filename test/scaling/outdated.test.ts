import { chmodSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { environmentOf, isNoise } from '../../supervisor/base/app-env.ts'
import { type Difference, differencesOf, makeMark, readMark, startEnvironment } from '../../supervisor/base/app-mark.ts'
import { createOutdated, type Mention, seenBy } from '../../supervisor/scaling/outdated.ts'
import type { App, Instance } from '../../supervisor/scaling/pm2.ts'
import { compiledProject } from '../helpers/compiled-project.ts'

t.test('which app sees a difference', async (t) => {
  const cases: [Difference['name'], Difference['kind'], inFile: boolean, Mention, seers: string][] = [
    ['API_KEYS', 'changed', false, 'nowhere', 'front-door'],
    ['PORT', 'set', true, 'nowhere', 'front-door'],
    ['MAX_INSTANCES', 'changed', false, 'nowhere', 'autoscaler'],
    ['BROKER_PORT', 'changed', false, 'nowhere', 'broker front-door worker autoscaler'],
    ['LOG_LEVEL', 'unset', false, 'nowhere', 'broker front-door worker autoscaler compiler'],
    ['AMQP_URL', 'changed', true, 'nowhere', 'front-door worker autoscaler'],
    ['PAYMENT_URL', 'changed', false, 'nowhere', 'front-door worker autoscaler'],
    ['PAYMENT_URL', 'set', false, 'nowhere', ''],
    ['PAYMENT_URL', 'set', true, 'nowhere', 'front-door worker autoscaler'],
    ['PAYMENT_URL', 'unset', false, 'in the app', 'front-door worker autoscaler'],
    ['PAYMENT_URL', 'changed', true, 'elsewhere', ''],
    ['PORT', 'changed', false, 'in the app', 'front-door worker autoscaler'],
  ]
  for (const [name, kind, inFile, mention, seers] of cases) {
    const apps = ['broker', 'front-door', 'worker', 'autoscaler', 'compiler']
    const seen = apps.filter((app) => seenBy(app, [{ name, kind, inFile }], () => mention).length > 0)
    t.equal(seen.join(' '), seers, `${name} ${kind}, ${inFile ? 'in .env, ' : ''}${mention}`)
  }
})

t.test('what a shell, a login or a terminal brings along is noise; what services use is not', async (t) => {
  const noise = '_ PWD PATH LC_ALL SSH_CLIENT TERM_PROGRAM_VERSION VSCODE_INJECTION npm_config_cache TMUX_PANE PM2_HOME'
  for (const name of noise.split(' ')) t.ok(isNoise(name), name)
  const services = 'SESSION_SECRET TERMS_URL DESKTOP_APP_URL HISTORY_URL MAIL_FROM GIT_TOKEN WSLESS LESSON USERS PATHS'
  for (const name of services.split(' ')) t.notOk(isNoise(name), name)
})

t.test('keys and URLs are where they are needed alone', async (t) => {
  const secrets = { API_KEYS: 'k', AMQP_URL: 'u', DATABASE_URL: 'd', STRIPE_API_KEYS: 's' }
  const env = { ...secrets, PATH: '/bin', DATA_DIR: 'data', npm_config_x: 'x', NODE_AUTH_TOKEN: 'of a registry' }
  const given = (app: string) => Object.keys(environmentOf(app, env)).sort().join(' ')
  t.equal(given('front-door'), 'AMQP_URL API_KEYS DATABASE_URL DATA_DIR NODE_AUTH_TOKEN PATH STRIPE_API_KEYS')
  t.equal(given('history'), 'AMQP_URL DATABASE_URL DATA_DIR NODE_AUTH_TOKEN PATH STRIPE_API_KEYS')
  t.equal(given('broker'), 'DATA_DIR PATH')
  t.equal(given('daemon'), 'PATH')
})

t.test('an app is outdated by what it loads and sees, by value', async (t) => {
  const root = compiledProject(t, {
    'workers/payment.ts': "import './stores/bank.js'\nexport const url = process.env.PAYMENT_URL",
    'workers/stores/bank.ts': 'export {}',
    'workers/history.ts': 'export {}',
  })
  const dist = (file: string) => join(root, 'dist', file)
  const restore = () => Object.assign(process.env, { PAYMENT_URL: 'http://one' })
  restore()
  t.teardown(() => delete process.env.PAYMENT_URL)
  const apps = ['payment', 'history'].map(
    (name): App => ({ name, namespace: 'x', script: 'dist/supervisor/worker.js', instances: 1, args: [name] }),
  )
  const running = apps.map((app): Instance => {
    const about = { id: 1, folder: root, namespace: 'x', pid: 1, cpu: 0, memory: 0, logFiles: [], restarts: 0 }
    return { ...about, name: app.name, status: 'online', startedAt: 0, env: startEnvironment(app, root) }
  })
  const outdated = (instances: readonly Instance[] = running) => {
    const why = createOutdated(apps, { root, isAsleep: () => false })
    return apps.flatMap((app, n) => why(app, [instances[n] as Instance]) ?? [])
  }
  t.same(outdated(), [])

  t.notMatch(JSON.stringify(running[0]?.env.WARREN_STARTED_WITH), 'http', 'no value is in the mark')
  process.env.PAYMENT_URL = 'http://two'
  t.same(outdated(), ['PAYMENT_URL has changed'])
  delete process.env.PAYMENT_URL
  t.same(outdated(), ['PAYMENT_URL has changed'])
  restore()

  writeFileSync(join(root, '.env'), 'PAYMENT_URL=http://three\nUNREAD=1\n')
  t.same(outdated(), ['UNREAD has changed', 'UNREAD has changed'], 'the environment wins over `.env`')
  writeFileSync(join(root, '.env'), '# nothing\nAPI_KEYS=x\nPORT=1\n')
  t.same(outdated(), [], 'a front door alone reads these')

  for (const file of ['workers/payment.js', 'workers/stores/bank.js']) {
    utimesSync(dist(file), new Date(), new Date())
    chmodSync(dist(file), 0o600)
  }
  t.same(outdated(), [], 'neither times nor modes are contents')
  writeFileSync(dist('workers/stores/bank.js'), 'export const other = 1')
  t.same(outdated(), ['its code has changed'])
  const since = running.map((one) => ({ ...one, restarts: 1, startedAt: Date.now() + 60_000 }))
  t.same(outdated(since), [], 'pm2 has started it again since, with what was there')
  t.same(outdated(running.map((one) => ({ ...one, env: {} }))).length, 2, 'without a mark')
})

t.test('two marks of one salt are compared, and read back as they were', async (t) => {
  const root = compiledProject(t, { 'workers/a.ts': 'export {}' })
  const app = { name: 'a', script: 'dist/supervisor/worker.js', args: ['a'] }
  const mark = readMark(startEnvironment(app, root))
  if (!mark) throw new Error('expected a mark')
  t.same(differencesOf(mark, makeMark(app, root, mark.salt)), [])
  t.not(makeMark(app, root).salt, mark.salt)
})
