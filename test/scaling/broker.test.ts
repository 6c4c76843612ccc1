import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/ports.ts'
import { createProject, readyWorker, type TestProject } from '../helpers/project.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

/** A project on the embedded broker, the real one; its workers and its front door are stubs. */
async function embeddedProject(t: Test): Promise<TestProject> {
  const project = await createProject(t, { history: readyWorker('history') })
  delete project.env.AMQP_URL
  return project
}

t.test('a start follows AMQP_URL, wherever it is set', async (t) => {
  const project = await embeddedProject(t)
  const first = await project.npm('start')
  t.equal(first.code, 0, first.stderr)
  t.match(first.stdout, 'starting broker, front-door, history, autoscaler')
  const embedded = await project.pids()
  t.same(Object.keys(embedded).sort(), ['autoscaler', 'broker', 'front-door', 'history'])
  t.match(await project.npm('start'), { code: 0, stdout: /already running/ })
  t.same(await project.pids(), embedded)
  t.match((await project.npm('status')).stdout, /broker .*online +ready/)

  project.write('.env', 'AMQP_URL=amqp://guest:secret@localhost:5672\n')
  const away = await project.npm('start')
  t.equal(away.code, 0, away.stderr)
  t.match(away.stdout, /restarting history.*removing broker: AMQP_URL names another one/s, 'the broker goes last')
  t.same(Object.keys(await project.pids()).sort(), ['autoscaler', 'front-door', 'history'])

  // An empty variable in the environment wins over the file.
  const back = await project.npm('start', [], { AMQP_URL: '' })
  t.equal(back.code, 0, back.stderr)
  t.match(back.stdout, /starting broker.*restarting history/s, 'the broker comes first')
  const before = await project.pids()
  t.equal(before.broker?.length, 1)

  project.remove('.env')
  const port = String(await freePort())
  const moved = await project.npm('start', [], { BROKER_PORT: port })
  t.equal(moved.code, 0, moved.stderr)
  const after = await project.pids()
  for (const name of ['broker', 'front-door', 'history'])
    t.not(after[name]?.[0], before[name]?.[0], `${name} restarted`)
  t.match(readFileSync(join(project.env.PM2_HOME as string, 'logs/broker-out.log'), 'utf8'), `"port":${port}`)
})

t.test('a second broker fails, and says why; the first goes on', async (t) => {
  const project = await embeddedProject(t)
  t.equal((await project.npm('start')).code, 0)
  const before = await project.pids()
  await project.pm2('scale', 'broker', '2')
  const brokers = async () => (await project.list()).filter(({ name }) => name === 'broker')
  const second = async () => (await brokers()).find(({ status }) => status !== 'online')
  // pm2 has that word for whatever ended by itself, but EXIT_CONFIG is never followed by a restart.
  t.match(await until(second, { what: 'the second to end' }), { pid: 0, status: 'waiting restart', restarts: 0 })
  t.same(await project.pids(), before)
  const log = readFileSync(join(project.env.PM2_HOME as string, 'logs/broker-out.log'), 'utf8')
  t.match(
    log,
    `"code":"WARREN_STORE_LOCKED","msg":"The broker's store ${join(project.root, 'data/broker')} is in use by`,
  )

  const again = await project.npm('start')
  t.equal(again.code, 0, again.stderr)
  t.equal((await brokers()).length, 1)
})

t.test('a port that is taken is told in one line, and leaves nothing running', async (t) => {
  const project = await embeddedProject(t)
  const other = createServer((socket) => socket.destroy()).listen(Number(project.env.BROKER_PORT), '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { code, stderr } = await project.npm('start')
  t.equal(code, 1)
  t.equal(
    stderr.trim(),
    `broker: Port ${project.env.BROKER_PORT} is in use: the embedded broker can't listen there. End what uses it, or set ` +
      'BROKER_PORT.',
  )
  await until(() => project.processes().length === 0, { what: 'nothing to be left running' })
})

t.test('credentials that others can read are not used', async (t) => {
  const project = await embeddedProject(t)
  project.write('data/broker/credentials.json', '{"user":"u","password":"secret"}')
  const { code, stdout, stderr } = await project.npm('start')
  t.equal(code, 1)
  t.match(stderr, /^[a-z-]+(, [a-z-]+)*: Expected .*credentials\.json to be its owner's alone/)
  t.notMatch(stdout + stderr, 'secret')
  await until(() => project.processes().length === 0, { what: 'nothing to be left running' })
})
