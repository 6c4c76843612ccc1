import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { brokerFolder, brokerUrl, obtainCredentials } from '../../supervisor/base/broker-credentials.ts'
import { ownBrokerUrl } from '../../supervisor/base/broker-socket.ts'
import { loadConfig } from '../../supervisor/base/config.ts'
import { StartupError } from '../../supervisor/base/errors.ts'
import { temporaryFolder } from '../helpers/tmp.ts'

const MODULE = new URL('../../supervisor/base/broker-credentials.js', import.meta.url).href

t.test('the first one makes them, for itself and for those who come later', async (t) => {
  const folder = brokerFolder(join(temporaryFolder(t), 'data'))
  const made = obtainCredentials(folder)
  t.match(made, { user: 'warren', password: /^[\w-]{32}$/ })
  t.same(obtainCredentials(folder), made)
  t.same(readdirSync(folder), ['credentials.json'], 'no draft is left')
  t.not(obtainCredentials(temporaryFolder(t)).password, made.password, 'another broker has others')

  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  t.equal(mode(join(folder, 'credentials.json')), '600')
  t.equal(mode(folder), '700')
  t.equal(mode(dirname(folder)), '700', 'DATA_DIR as well')
})

t.test('of several that come at once one wins', async (t) => {
  const folder = brokerFolder(temporaryFolder(t))
  const program = `
    import { obtainCredentials } from '${MODULE}'
    process.stdin.once('data', () => {
      process.stdout.write(obtainCredentials('${folder}').password)
      process.exit(0)
    })
    process.stdout.write('.')`
  const children = Array.from({ length: 8 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = children.map((child) => {
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    return once(child, 'close').then(() => text)
  })
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go')
  const passwords = new Set(await Promise.all(said))
  t.same([...passwords], [`.${obtainCredentials(folder).password}`])
})

t.test('a file that is not right is named, and never what is in it', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'credentials.json')
  const refused = (text: string, mode: number, expected: RegExp) => {
    rmSync(file, { force: true })
    writeFileSync(file, text)
    chmodSync(file, mode)
    const error = t.throws(() => obtainCredentials(folder)) as unknown as StartupError
    t.type(error, StartupError)
    t.match(error, { code: 'WARREN_BROKER_CREDENTIALS', message: expected, cause: undefined })
    t.match(error.message, file)
    t.notMatch(error.message, 'sesame')
    t.equal(readFileSync(file, 'utf8'), text, 'and left as it is')
  }
  const right = '{"user":"u","password":"sesame"}'
  refused(right, 0o640, /alone \(mode 600\), found mode 640/)
  refused(right, 0o604, /found mode 604/)
  refused('{"user":"u","password":"sesame', 0o600, /Expected .* as JSON/)
  refused('', 0o600, /Expected .* as JSON/)
  refused('{"user":"u"}', 0o600, /Expected .* as JSON/)
  refused('{"user":"u","password":["sesame"]}', 0o600, /Expected .* as JSON/)
  refused('null', 0o600, /Expected .* as JSON/)

  rmSync(file)
  mkdirSync(file)
  t.throws(() => obtainCredentials(folder), { code: 'WARREN_BROKER_CREDENTIALS', message: `${file} can't be read` })
  t.throws(() => obtainCredentials('/dev/null/broker'), { message: "/dev/null/broker/credentials.json can't be" })
})

t.test("a process's configuration has the embedded broker's URL, unless there is another", async (t) => {
  const root = temporaryFolder(t)
  const { AMQP_URL, DATA_DIR, BROKER_PORT } = process.env
  t.teardown(() => {
    for (const [name, value] of Object.entries({ AMQP_URL, DATA_DIR, BROKER_PORT })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  delete process.env.AMQP_URL
  Object.assign(process.env, { DATA_DIR: 'own', BROKER_PORT: '1234' })
  const { amqpUrls, dataDir } = loadConfig(root)
  const credentials = obtainCredentials(join(root, 'own/broker'))
  t.same(amqpUrls, [ownBrokerUrl(credentials, join(root, 'own/broker'), 1234)])
  t.equal(brokerUrl(credentials, 1234), `amqp://warren:${credentials.password}@127.0.0.1:1234`, 'for other clients')

  rmSync(dataDir, { recursive: true })
  process.env.AMQP_URL = 'amqp://elsewhere'
  t.same(loadConfig(root).amqpUrls, ['amqp://elsewhere'])
  t.throws(() => statSync(dataDir), { code: 'ENOENT' }, 'nothing is made for a broker that is not used')
})
