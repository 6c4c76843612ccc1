import { Hono } from 'hono'
import t from 'tap'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { startFrontDoor } from '../helpers/front-door.ts'

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const routes = new Hono<FrontDoor>()
  .get('/vars', (c) => {
    c.var.log.info('from the route')
    return c.json({ requestId: c.var.requestId })
  })
  .post('/vars', (c) => c.text('posted'))
  .get('/frames', (c) => c.text('', 200, { 'x-frame-options': 'DENY' }))
  .get('/things/:id', (c) => c.text(c.req.param('id')))

t.test('request ids', async (t) => {
  const { url, logs } = await startFrontDoor(t, { routes })

  const given = await fetch(`${url}/vars`, { headers: { 'x-request-id': 'abc-123' } })
  t.equal(given.headers.get('x-request-id'), 'abc-123')
  t.same(await given.json(), { requestId: 'abc-123' })
  t.match(
    logs().find((line) => line.msg === 'from the route'),
    { requestId: 'abc-123' },
  )

  for (const [what, id] of Object.entries({
    none: undefined,
    'a long one': 'x'.repeat(129),
    'one with spaces': 'a b',
  })) {
    const response = await fetch(`${url}/nowhere`, id === undefined ? {} : { headers: { 'x-request-id': id } })
    t.match(response.headers.get('x-request-id'), UUID7, `${what}: a new one, on errors as well`)
    await response.text()
  }
})

t.test('one log line a request, without secrets', async (t) => {
  const { url, lines, logs } = await startFrontDoor(t, { routes, apiKeys: ['the-key'] })
  const headers = { authorization: 'Bearer the-key', cookie: 'a-cookie' }
  await (await fetch(`${url}/things/7?token=a-token`, { headers })).text()
  await (await fetch(`${url}/healthz`)).text()
  t.match(logs(), [
    { level: 30, msg: 'request', method: 'GET', path: '/things/7', status: 200, ms: Number },
    { level: 20, msg: 'request', path: '/healthz', status: 200 },
  ])
  t.equal(logs().length, 2)
  t.notMatch(lines.join(), /the-key|a-token|a-cookie/)
})

t.test('unknown paths and methods', async (t) => {
  const { url } = await startFrontDoor(t, { routes })

  const unknown = await fetch(`${url}/nowhere`)
  t.equal(unknown.status, 404)
  t.equal(unknown.headers.get('content-type'), 'application/problem+json')
  t.match(await unknown.json(), { status: 404, title: 'Not found', detail: 'Nothing is at /nowhere.' })

  const cases = [
    ['DELETE', '/vars', 'GET, POST, HEAD'],
    ['POST', '/things/1', 'GET, HEAD'],
    ['PUT', '/healthz', 'GET, HEAD'],
  ] as const
  for (const [method, path, allow] of cases) {
    const response = await fetch(url + path, { method })
    t.equal(response.status, 405, `${method} ${path}`)
    t.equal(response.headers.get('allow'), allow)
    t.match(await response.json(), { status: 405, title: 'Method not allowed' })
  }
  const head = await fetch(`${url}/vars`, { method: 'HEAD' })
  t.equal(head.status, 200)
})

t.test("security headers, unless the route has its own, also on a fetched response's frozen ones", async (t) => {
  const { url: origin } = await startFrontDoor(t, { routes })
  const proxy = new Hono<FrontDoor>().get('/', () => fetch(`${origin}/vars`))
  const { url } = await startFrontDoor(t, { routes: proxy })

  t.equal((await fetch(`${origin}/frames`)).headers.get('x-frame-options'), 'DENY')
  const fetched = await fetch(url, { headers: { 'x-request-id': 'outer' } })
  t.equal(fetched.status, 200)
  t.equal(fetched.headers.get('x-request-id'), 'outer')
  t.equal(fetched.headers.get('x-content-type-options'), 'nosniff')
  t.match(await fetched.json(), { requestId: UUID7 })
})

t.test('health', async (t) => {
  const ready = await startFrontDoor(t)
  t.same(await (await fetch(`${ready.url}/healthz`)).json(), { status: 'ok' })
  t.same(await (await fetch(`${ready.url}/readyz`)).json(), { status: 'ready' })

  const waiting = await startFrontDoor(t, { state: { status: 'waiting', reason: 'connection refused' } })
  t.equal((await fetch(`${waiting.url}/healthz`)).status, 200)
  const response = await fetch(`${waiting.url}/readyz`)
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { status: 503, detail: 'connection refused' })
})
