import t from 'tap'
import { testBroker } from '../helpers/broker.ts'
import { startFlixTube } from '../helpers/flixtube.ts'
import { until } from '../helpers/until.ts'

// @long

t.setTimeout(600_000)

const CONTRACT = `
import { defineQueue } from 'warren'
import { z } from 'zod'

export const welcome = defineQueue('welcome', {
  data: z.object({ name: z.string().min(1) }),
  result: z.object({ greeting: z.string() }),
})
`

const WORKER = `
import { defineWorker } from 'warren'
import { welcome } from './messages/welcome.ts'

export default defineWorker(welcome, {
  handler: async ({ name }, { log }) => {
    log.info({ guest: name }, 'welcomed')
    return { greeting: \`Hello, \${name}!\` }
  },
})
`

const ROUTE = `
import { Hono } from 'hono'
import { body, type FrontDoor } from 'warren'
import { welcome } from '../workers/messages/welcome.ts'

export default new Hono<FrontDoor>()
  .get('/:name', async (c) => c.json(await c.var.bus.call(welcome, { name: c.req.param('name') })))
  .post('/', body(welcome.data), async (c) => c.json(await c.var.bus.send(welcome, c.req.valid('json')), 202))
`

const broker = await testBroker(t)

t.test('a new worker and a new route take one file each and no other edit', async (t) => {
  const flixtube = await startFlixTube(t, { amqpUrl: broker.url })
  const { url } = flixtube
  const before = await flixtube.pids()
  t.equal((await fetch(`${url}/hello/Ada`)).status, 404)

  flixtube.write('workers/messages/welcome.ts', CONTRACT)
  flixtube.write('workers/welcome.ts', WORKER)
  flixtube.write('routes/hello.ts', ROUTE)
  const { code, stdout, stderr } = await flixtube.npm('start')
  t.equal(code, 0, stderr)
  t.match(stdout, /starting welcome\n.*restarting front-door/s)

  const answer = await fetch(`${url}/hello/Ada`)
  t.equal(answer.status, 200)
  t.same(await answer.json(), { greeting: 'Hello, Ada!' }, 'a call comes back with the result')

  const headers = { 'content-type': 'application/json', 'x-request-id': 'hello-grace' }
  const sent = await fetch(`${url}/hello`, { method: 'POST', headers, body: '{"name":"Grace"}' })
  t.equal(sent.status, 202)
  const { id } = (await sent.json()) as { id: string }
  const lines = () => flixtube.logs('welcome').filter((line) => line.guest === 'Grace')
  await until(() => lines().length > 0, { what: 'the worker to log its guest' })
  t.match(lines(), [{ worker: 'welcome', id, attempt: 1, requestId: 'hello-grace', msg: 'welcomed' }])

  const invalid = await fetch(`${url}/hello`, { method: 'POST', headers, body: '{"name":""}' })
  t.equal(invalid.status, 422)
  t.match(await invalid.json(), { errors: [{ path: 'name' }] })

  const { welcome, autoscaler, 'front-door': _, ...others } = await flixtube.pids()
  t.equal(welcome?.length, 1)
  t.equal(autoscaler?.length, 1, 'which has to know of it')
  const { autoscaler: __, 'front-door': ___, ...othersBefore } = before
  t.same(others, othersBefore, 'the other workers were left alone')
})
