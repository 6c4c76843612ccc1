import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { connect } from 'amqplib'
import t from 'tap'
import { startBroker } from '../supervisor/index.ts'
import { noRabbitmq, testBroker } from './helpers/broker.ts'
import { compiledProject } from './helpers/compiled-project.ts'
import { freePort } from './helpers/ports.ts'
import { type Running, run } from './helpers/process.ts'
import { promised } from './helpers/promised.ts'
import { type Teardown, temporaryFolder } from './helpers/tmp.ts'
import { until } from './helpers/until.ts'

const entry = resolve('dist/supervisor/front-door.js')

function start(t: Teardown, env: Record<string, string>, cwd = process.cwd()): Running {
  const settings = { PORT: '0', HOST: '127.0.0.1', API_KEYS: '', LOG_LEVEL: 'info', DATA_DIR: temporaryFolder(t) }
  const running = run(process.execPath, [entry], { cwd, env: { ...process.env, ...settings, ...env } })
  t.teardown(() => running.end())
  return running
}

async function urlOf(running: Running): Promise<string> {
  const [, port] = await running.outputs(/"port":(\d+).*"listening"/)
  return `http://127.0.0.1:${port}`
}

t.test('without a broker it serves what needs none, says 503 to the rest, and stops well', async (t) => {
  const running = start(t, { AMQP_URL: `amqp://localhost:${await freePort()}` })
  const url = await urlOf(running)

  t.equal((await fetch(`${url}/healthz`)).status, 200)
  const ready = await fetch(`${url}/readyz`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { title: 'Not ready', detail: String })

  const before = performance.now()
  const video = await fetch(`${url}/video`)
  t.equal(video.status, 503)
  t.equal(video.headers.get('retry-after'), '1')
  promised(t, performance.now() - before, 1_000, 'refused')
  await video.text()

  const headers = { 'content-type': 'application/json' }
  const viewed = await fetch(`${url}/viewed`, { method: 'POST', headers, body: '{"videoPath":"a.mp4"}' })
  t.equal(viewed.status, 201)
  t.match(await (await fetch(`${url}/history`)).json(), { history: [{ videoPath: 'a.mp4' }] })

  t.same(await running.end('SIGTERM'), { code: 0, signal: null }, running.output)
})

t.test("its dead letters are those of the project's workers", async (t) => {
  const broker = await testBroker(t)
  const running = start(t, { AMQP_URL: broker.url })
  const url = await urlOf(running)
  await until(async () => (await fetch(`${url}/readyz`)).ok, { what: 'the broker' })
  t.same(await (await fetch(`${url}/dead-letters`)).json(), { deadLetters: [], next: null })
  const unknown = await fetch(`${url}/dead-letters?worker=histroy`)
  t.match([unknown.status, await unknown.json()], [404, { detail: /history.* \(did you mean 'history'\?\)/ }])
  t.same(await running.end('SIGTERM'), { code: 0, signal: null }, running.output)
})

t.test('a worker that is broken hides no dead letters but its own', async (t) => {
  const broker = await startBroker()
  broker.unref()
  t.teardown(() => broker.close())
  const cwd = compiledProject(t, {
    'workers/broken.ts': "throw new Error('no such table')",
    'workers/sound.ts': `
      import { defineQueue, defineWorker } from 'warren'
      import { z } from 'zod'
      export default defineWorker(defineQueue('sound', { data: z.object({}) }), { handler: async () => {} })`,
  })
  const running = start(t, { AMQP_URL: broker.url }, cwd)
  const url = await urlOf(running)
  await until(async () => (await fetch(`${url}/readyz`)).ok, { what: 'the broker' })
  const connection = await connect(broker.url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('sound.dead', {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 ** 31 - 1 },
  })
  channel.sendToQueue('sound.dead', Buffer.from('{}'), { messageId: 'one' })
  await channel.waitForConfirms()
  await connection.close()

  const broken = [{ name: 'broken', file: 'workers/broken.ts', reason: /^workers\/broken\.ts: .*no such table/ }]
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${url}/dead-letters${path}`, { method })
    return [response.status, await response.json()]
  }
  t.match(await ask(''), [200, { deadLetters: [{ id: 'one', worker: 'sound' }], broken }])
  t.match(await ask('?worker=sound'), [200, { deadLetters: [{ id: 'one' }] }])
  t.match(await ask('/one'), [200, { id: 'one', body: '{}' }])
  t.match(await ask('?worker=broken'), [404, { detail: /^The file of worker 'broken' is broken: .*no such table/ }])
  t.match(await ask('/redrive', 'POST'), [200, { redriven: 1, broken }])
  t.same(await running.end('SIGTERM'), { code: 0, signal: null }, running.output)
})

t.test('without a permission that a route needs it is not ready, and says which', { skip: noRabbitmq }, async (t) => {
  const { url: owner, vhost, admin } = await testBroker(t)
  if (!admin) return t.pass('this broker lets nobody make users')
  const user = `user-${randomUUID().slice(0, 8)}`
  await admin.createUser(user, 'the-secret-of-it', vhost)
  t.teardown(() => admin.deleteUser(user))
  await admin.setPermissions(user, vhost, { configure: '.*', write: '^nothing$', read: '.*' })
  const running = start(t, {
    AMQP_URL: Object.assign(new URL(owner), { username: user, password: 'the-secret-of-it' }).href,
  })
  const url = await urlOf(running)
  await until(async () => (await fetch(`${url}/readyz`)).ok, { what: 'the broker' })

  const words = new RegExp(`access to exchange 'viewed' in vhost '${vhost}' refused for user '${user}'`)
  const video = await fetch(`${url}/video`)
  t.match([video.status, await video.json()], [503, { detail: words }])
  const ready = await fetch(`${url}/readyz`)
  t.match([ready.status, await ready.json()], [503, { title: 'Not ready', detail: words }])
  t.notMatch(running.output, /the-secret-of-it/)
  t.same(await running.end('SIGTERM'), { code: 0, signal: null }, running.output)
})

t.test('a port in use ends it with a sentence', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const running = start(t, { PORT: String(port), AMQP_URL: 'amqp://localhost:1' })
  t.same(await running.exited, { code: 1, signal: null })
  t.match(running.output, `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set PORT.`)
})
