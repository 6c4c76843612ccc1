import { createReadStream } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { Hono } from 'hono'
import t from 'tap'
import { ValidationError } from '../../supervisor/base/errors.ts'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { aQueue } from '../helpers/messaging.ts'
import { nextUncaught } from '../helpers/uncaught.ts'
import { until } from '../helpers/until.ts'

const explode = () => {
  throw new Error('a trap')
}

const THROWN: Record<string, [make: () => unknown, logged: string]> = {
  frozen: [() => Object.freeze(new Error('no such customer')), 'no such customer'],
  getter: [() => Object.defineProperty(new Error('secret way'), 'x', { get: explode, enumerable: true }), 'secret way'],
  message: [() => Object.defineProperty(new Error(), 'message', { get: explode }), ''],
  code: [() => Object.defineProperty(new Error('coded'), 'code', { get: explode }), 'coded'],
  stack: [() => Object.assign(new Error('stacked'), { stack: [{ at: explode }] }), 'stacked'],
  proxy: [
    () => new Proxy(new Error('behind'), { get: explode, getOwnPropertyDescriptor: explode }),
    'the thrown value',
  ],
  realm: [() => runInNewContext("new TypeError('elsewhere')"), 'elsewhere'],
  text: [() => 'just a text', 'just a text'],
  nothing: [() => null, 'null'],
  void: [() => undefined, 'undefined'],
  symbol: [() => Symbol('s'), 'Symbol(s)'],
}

t.test('whatever a route throws is a 500 problem and one log line with the error', async (t) => {
  const app = new Hono<FrontDoor>()
  for (const [name, [make]] of Object.entries(THROWN)) {
    app.get(`/sync/${name}`, () => {
      throw make()
    })
    app.get(`/async/${name}`, () => Promise.reject(make()))
  }
  const { url, logs } = await startFrontDoor(t, { routes: app })
  for (const [name, [, logged]] of Object.entries(THROWN)) {
    for (const path of [`/sync/${name}`, `/async/${name}`]) {
      const response = await fetch(url + path, { headers: { 'x-request-id': path } })
      t.equal(response.status, 500, path)
      t.equal(response.headers.get('content-type'), 'application/problem+json', path)
      t.equal(response.headers.get('x-request-id'), path)
      const body = await response.text()
      t.match(JSON.parse(body), { title: 'Internal server error', requestId: path })
      if (logged) t.notMatch(body, logged, 'no detail of it')
      const errors = logs().filter((line) => line.requestId === path && line.err)
      t.equal(errors.length, 1, path)
      t.ok(JSON.stringify(errors).includes(logged), path)
      t.match(
        logs().filter((line) => line.requestId === path && line.msg === 'request'),
        [{ status: 500 }],
      )
    }
  }
})

t.test('a forgotten await is one log line with the request and the error; the process goes on', async (t) => {
  const taken = nextUncaught(t, 'unhandledRejection')
  const refuse = () => new ValidationError('The data', [{ path: 'n', message: 'wrong' }])
  const app = new Hono<FrontDoor>().post('/orders/:id', (c) => {
    void c.var.bus.send(aQueue(), { n: 'x' as never })
    return c.json({ ok: true }, 202)
  })
  const { url, logs } = await startFrontDoor(t, { routes: app, refuse })
  const response = await fetch(`${url}/orders/7`, { method: 'POST', headers: { 'x-request-id': 'r-7' } })
  t.equal(response.status, 202)
  t.equal(await taken, true)
  t.match(
    logs().filter((line) => line.err),
    [{ requestId: 'r-7', method: 'POST', path: '/orders/7', err: { code: 'WARREN_VALIDATION' }, msg: /await missing/ }],
  )
})

t.test('an exception that nobody catches is the answer of the request that it comes from', async (t) => {
  const taken = nextUncaught(t, 'uncaughtException')
  const app = new Hono<FrontDoor>()
    .get('/bad', () => new Promise<Response>(() => void createReadStream('/nowhere')))
    .get('/good', (c) => c.text('good'))
  const { url, logs } = await startFrontDoor(t, { routes: app })
  const [bad, good] = await Promise.all([fetch(`${url}/bad`), fetch(`${url}/good`)])
  t.equal(bad.status, 500)
  t.match(await bad.json(), { title: 'Internal server error' })
  t.ok(bad.headers.get('x-request-id'))
  t.equal(await good.text(), 'good')
  t.equal(await taken, true)
  t.match(
    logs().filter((line) => line.err),
    [{ err: { code: 'ENOENT' }, requestId: bad.headers.get('x-request-id') }],
  )
})

t.test('a body that fails is a log line of its request, a client that leaves is none', async (t) => {
  const app = new Hono<FrontDoor>()
    .get('/fails', () => {
      const pull = (controller: ReadableStreamDefaultController) =>
        controller.error(Object.freeze(new Error('disk gone')))
      return new Response(new ReadableStream({ pull }))
    })
    .get('/waits', () => {
      const start = (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(1))
      return new Response(new ReadableStream({ start }))
    })
  const { url, logs } = await startFrontDoor(t, { routes: app })
  const leaving = new AbortController()
  const left = await fetch(`${url}/waits`, { signal: leaving.signal })
  const reading = left.text()
  leaving.abort()
  await t.rejects(reading)
  await t.rejects(async () => (await fetch(`${url}/fails`)).text())
  await until(() => logs().some((line) => line.err), { what: 'the log line' })
  t.match(
    logs().filter((line) => line.err),
    [{ path: '/fails', err: { message: 'disk gone' }, requestId: /./ }],
  )
})

t.test("an exception after the response is the process's", async (t) => {
  const taken = nextUncaught(t, 'uncaughtException')
  const app = new Hono<FrontDoor>().get('/', (c) => {
    setTimeout(explode, 300)
    return c.text('good')
  })
  const { url } = await startFrontDoor(t, { routes: app })
  t.equal(await (await fetch(url)).text(), 'good')
  t.equal(await taken, false)
})
