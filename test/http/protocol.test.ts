import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { Hono } from 'hono'
import t from 'tap'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { BODY_LIMIT } from '../../supervisor/http/body-limit.ts'
import { MAX_HEADERS } from '../../supervisor/http/protocol.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { rawHttp } from '../helpers/raw-http.ts'

function app() {
  const reached: string[] = []
  const routes = new Hono<FrontDoor>()
    .get('/mine', (c) => {
      reached.push(c.req.path)
      return c.text('in')
    })
    .post('/raw', async (c) => {
      const { byteLength } = await c.req.arrayBuffer()
      // A body whose chunks are broken further in is noticed while it is read.
      reached.push(c.req.path)
      return c.json({ bytes: byteLength })
    })
    .post('/unread', (c) => c.text('not needed', 422))
  return { routes, reached }
}

t.test('what is no HTTP/1.1 request reaches no route', async (t) => {
  const { routes, reached } = app()
  const { url } = await startFrontDoor(t, { routes })
  const host = 'Host: localhost'
  const post = ['POST /raw HTTP/1.1', host]
  const many = Array.from({ length: MAX_HEADERS }, (_, i) => `X-${i}: 1`)
  const cases: Record<string, [string | string[], number | undefined]> = {
    'two Host headers': [['GET /mine HTTP/1.1', host, host], 400],
    'two Host headers that differ': [['GET /mine HTTP/1.1', host, 'HOST: evil.example'], 400],
    'no Host': [['GET /mine HTTP/1.1'], 400],
    'HTTP/0.9': ['GET /mine\r\n\r\n', 400],
    'HTTP/0.9 with headers': [['GET /mine', host], 400],
    'HTTP/2.0 over text': [['GET /mine HTTP/2.0', host], 505],
    'HTTP/1.2': [['GET /mine HTTP/1.2', host], 400],
    'no HTTP at all': ['\x16\x03\x01\x02\x00\x01\x00\x01', 400],
    'content-length and transfer-encoding': [
      [...post, 'Content-Length: 4', 'Transfer-Encoding: chunked', '', '0', '', 'GET /mine HTTP/1.1', host],
      400,
    ],
    'transfer-encoding and content-length': [
      [...post, 'Transfer-Encoding: chunked', 'Content-Length: 4', '', '0', '', 'GET /mine HTTP/1.1', host],
      400,
    ],
    'two lengths': [[...post, 'Content-Length: 4', 'Content-Length: 5', '', 'abcde'], 400],
    'a length that is none': [[...post, 'Content-Length: +4', '', 'abcd'], 400],
    'a coding that is not the last one': [[...post, 'Transfer-Encoding: chunked, gzip', '', '0', ''], 400],
    'a coding below chunked': [[...post, 'Transfer-Encoding: gzip, chunked', '', '0', ''], 501],
    'a header with a blank before its colon': [['GET /mine HTTP/1.1', 'Host : localhost'], 400],
    'a folded header': [['GET /mine HTTP/1.1', host, 'X-A: 1', ' 2'], 400],
    'a bare line feed in a chunk': [[...post, 'Transfer-Encoding: chunked', '', '1\nA', '0', ''], 400],
    'a target without a slash': [['GET mine HTTP/1.1', host], 400],
    'a target that hides another host': [['GET @evil.example/mine HTTP/1.1', 'Host: LOCALHOST'], 400],
    'a tunnel': [['CONNECT localhost:5672 HTTP/1.1', host], undefined],
    'headers that are too large': [['GET /mine HTTP/1.1', host, `X-A: ${'a'.repeat(16 * 1024)}`], 431],
    'headers that are too many': [['GET /mine HTTP/1.1', host, ...many], 431],
    'headers that Node would drop': [['GET /mine HTTP/1.1', host, ...many, ...many.map((line) => `Y${line}`)], 431],
    'an expectation that nobody knows': [['GET /mine HTTP/1.1', host, 'Expect: coffee'], 417],
  }
  for (const [what, [sent, status]] of Object.entries(cases)) {
    const answer = await rawHttp(url, sent)
    t.equal(answer.status, status, what)
    t.equal(answer.statuses.length, status === undefined ? 0 : 1, `${what}: one answer`)
  }
  t.same(reached, [])

  const few = ['GET /mine HTTP/1.1', host, 'Connection: close', ...many.slice(2)]
  t.equal((await rawHttp(url, few)).status, 200, 'as many headers as are allowed')
  const problem = await rawHttp(url, ['GET /mine HTTP/1.1', host, host])
  t.match(problem.text, /application\/problem\+json[\s\S]*"requestId":"[^"]+"/)
  t.match(problem.text, /x-request-id: /i)
})

/** Sends the head of a request, and its body once it is told to continue. */
function expecting(url: string, path: string, { length, headers = {} }: { length: number; headers?: object }) {
  return new Promise<{ status: number; continued: boolean; body: string }>((resolve, reject) => {
    const outgoing = request(url + path, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': length, ...headers },
    })
    let continued = false
    outgoing.on('continue', () => {
      continued = true
      outgoing.end(Buffer.alloc(length))
    })
    outgoing.on('response', async (response) => {
      let body = ''
      for await (const part of response.setEncoding('utf8')) body += part
      resolve({ status: response.statusCode as number, continued, body })
      outgoing.destroy()
    })
    outgoing.on('error', reject)
    outgoing.flushHeaders()
  })
}

t.test('a body that is refused unread is not asked for', async (t) => {
  const { routes } = app()
  const { url } = await startFrontDoor(t, { routes })
  t.match(await expecting(url, '/raw', { length: 100_000 }), { status: 200, continued: true, body: '{"bytes":100000}' })
  t.match(await expecting(url, '/raw', { length: BODY_LIMIT + 1 }), { status: 413, continued: false })
  t.match(await expecting(url, '/nowhere', { length: 10 }), { status: 404, continued: false })
  t.match(await expecting(url, '/unread', { length: 10 }), { status: 422, continued: false })
  const headers = { 'sec-fetch-site': 'cross-site' }
  t.match(await expecting(url, '/raw', { length: 10, headers }), { status: 403, continued: false })
  const keyed = await startFrontDoor(t, { routes, apiKeys: ['a-key-of-this-test'] })
  t.match(await expecting(keyed.url, '/raw', { length: 10 }), { status: 401, continued: false })
})

t.test('after a body that was not asked for the connection is not used again, after one that was it is', async (t) => {
  const { routes } = app()
  const { url } = await startFrontDoor(t, { routes })
  const { port } = new URL(url)
  const head = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`

  const refused = await rawHttp(url, `${head('/unread')}GET /mine HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  t.same(refused.statuses, [422], 'what follows is no request')

  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(head('/raw'))
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.match(String(first), /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  socket.write('12345')
  const [second] = (await once(socket, 'data')) as [Buffer]
  t.match(String(second), /^HTTP\/1\.1 200 OK[\s\S]*connection: keep-alive/i)
})
