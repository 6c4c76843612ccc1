import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import t from 'tap'
import { z } from 'zod'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { BODY_LIMIT, JSON_LIMIT, limitBody } from '../../supervisor/http/body-limit.ts'
import { body, param, query } from '../../supervisor/http/validate.ts'
import { startFrontDoor } from '../helpers/front-door.ts'

const order = z.object({ name: z.string().min(1), lines: z.array(z.object({ count: z.int() })) })
const routes = new Hono<FrontDoor>()
  .post('/orders', body(order), (c) => c.json({ name: c.req.valid('json').name }))
  .get('/orders', query(z.object({ limit: z.coerce.number().int().max(100), kind: z.enum(['a', 'b']) })), (c) =>
    c.json(c.req.valid('query')),
  )
  .get('/names', query(z.object({ constructor: z.string().optional(), toString: z.string().default('none') })), (c) =>
    c.json(c.req.valid('query')),
  )
  .get('/orders/:id', param(z.object({ id: z.uuid() })), (c) => c.json(c.req.valid('param')))
  .post('/raw', async (c) => c.json({ bytes: (await c.req.arrayBuffer()).byteLength }))

const json = { 'content-type': 'application/json' }

t.test('JSON bodies', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  const post = (text: string, headers: Record<string, string> = json) =>
    fetch(`${url}/orders`, { method: 'POST', body: text, headers })

  const good = await post('{"name":"x","lines":[]}')
  t.same(await good.json(), { name: 'x' })
  t.equal(
    (await post('{"name":"x","lines":[]}', { 'content-type': 'application/vnd.x+json; charset=utf-8' })).status,
    200,
  )

  const cases: [string, Response, number, RegExp][] = [
    ['bad JSON', await post('{"name":'), 400, /Bad JSON/],
    ['an empty body', await post(''), 400, /Bad JSON/],
    ['another type', await post('a=1', { 'content-type': 'text/plain' }), 415, /text\/plain/],
    ['over the limit', await post(`{"name":"${'x'.repeat(JSON_LIMIT)}"}`), 413, /1048576 bytes/],
  ]
  for (const [what, response, status, text] of cases) {
    t.equal(response.status, status, what)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.match(await response.text(), text, what)
  }

  for (const type of [
    'utf-8',
    'UTF-8',
    '"UTF-8"',
    '"utf\\-8"',
    'utf8',
    'utf-8; charset=utf-8',
    'utf-8; profile="; charset=latin1"',
  ]) {
    const response = await post('{"name":"x","lines":[]}', { 'content-type': `application/json; charset=${type}` })
    t.equal(response.status, 200, type)
  }
  for (const type of [
    'iso-8859-1',
    '"ISO-8859-1"',
    'utf-16',
    'utf-8;charset=latin1',
    'latin1; charset=utf-8',
    '"utf-8 "',
    '',
  ]) {
    const response = await post('{"name":"x","lines":[]}', { 'content-type': `application/json;charset=${type}` })
    t.equal(response.status, 415, `charset ${type}`)
    t.match(await response.json(), {
      title: 'Unsupported media type',
      detail: /^Expected a body of charset utf-8, found/,
    })
  }

  const misses = await post('{"name":"","lines":[{"count":1},{"count":"two"}]}')
  t.equal(misses.status, 422)
  t.match(await misses.json(), {
    errors: [
      { path: 'name', message: String },
      { path: 'lines.1.count', message: /number/ },
    ],
  })
})

t.test('JSON is UTF-8, byte for byte', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  const post = (before: number[], name: number[]) =>
    fetch(`${url}/orders`, {
      method: 'POST',
      body: Buffer.concat([
        Buffer.from(before),
        Buffer.from('{"name":"'),
        Buffer.from(name),
        Buffer.from('","lines":[]}'),
      ]),
      headers: json,
    })
  const good: Record<string, [number[], number[], string]> = {
    'two to four bytes': [[], [...Buffer.from('é€😀')], 'é€😀'],
    'a byte order mark, which is no part of it': [[0xef, 0xbb, 0xbf], [0x61], 'a'],
    'the replacement character itself': [[], [0xef, 0xbf, 0xbd], '\ufffd'],
  }
  for (const [what, [before, bytes, name]] of Object.entries(good)) {
    const response = await post(before, bytes)
    t.same([response.status, await response.json()], [200, { name }], what)
  }
  const bad: Record<string, [number[], number[]]> = {
    'ISO 8859-1': [[], [0xe9]],
    'a sequence that is cut': [[], [0xe2, 0x82]],
    'a byte too many': [[], [0xc3, 0xa9, 0xa9]],
    'an overlong slash': [[], [0xc0, 0xaf]],
    'half a surrogate pair': [[], [0xed, 0xa0, 0x80]],
    'beyond Unicode': [[], [0xf4, 0x90, 0x80, 0x80]],
    "UTF-16's byte order mark": [[0xff, 0xfe], [0x61]],
  }
  for (const [what, [before, bytes]] of Object.entries(bad)) {
    const response = await post(before, bytes)
    t.match([response.status, await response.json()], [400, { title: 'Bad JSON', detail: /not UTF-8/ }], what)
  }
})

t.test('a content-encoding is refused, with what is taken', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  const text = '{"name":"x","lines":[]}'
  const post = (encoding: string, body: Uint8Array<ArrayBuffer>) =>
    fetch(`${url}/orders`, {
      method: 'POST',
      body,
      headers: { ...json, 'content-encoding': encoding },
    })
  for (const encoding of ['gzip', 'GZIP', 'br', 'gzip, identity', 'nothing']) {
    const response = await post(encoding, gzipSync(text))
    t.equal(response.status, 415, encoding)
    t.equal(response.headers.get('accept-encoding'), 'identity')
    t.match(await response.json(), { detail: `Expected a body of content-encoding identity, found ${encoding}.` })
  }
  for (const encoding of ['identity', 'Identity', ''])
    t.equal((await post(encoding, Buffer.from(text))).status, 200, encoding)
})

t.test('queries and parameters', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  t.same(await (await fetch(`${url}/orders?limit=5&kind=a`)).json(), { limit: 5, kind: 'a' })
  const misses = await fetch(`${url}/orders?limit=5&limit=6`)
  t.equal(misses.status, 422)
  t.match(await misses.json(), { errors: [{ path: 'limit' }, { path: 'kind' }] })
  const bad = await fetch(`${url}/orders/7`)
  t.equal(bad.status, 422)
  t.match(await bad.json(), { errors: [{ path: 'id' }] })
})

/** Sends until it is answered; undefined instead of a length: chunked. */
function upload(url: string, bytes: number, length?: number): Promise<{ status: number; body: string; sent: number }> {
  return new Promise((resolve, reject) => {
    const headers = length === undefined ? {} : { 'content-length': String(length) }
    const outgoing = request(url, { method: 'POST', headers })
    let sent = 0
    let answered = false
    outgoing.on('response', (response) => {
      answered = true
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('end', () => {
        resolve({ status: response.statusCode as number, body, sent })
        outgoing.destroy()
      })
    })
    // Refused, the server stops reading at some point.
    outgoing.on('error', (error) => answered || reject(error))
    const chunk = Buffer.alloc(64 * 1024)
    function send(): void {
      while (!answered && sent < bytes) {
        sent += chunk.length
        if (!outgoing.write(chunk)) return void outgoing.once('drain', send)
      }
      if (!answered) outgoing.end()
    }
    send()
  })
}

t.test('bodies over the limit', async (t) => {
  const { url } = await startFrontDoor(t, { routes })

  const announced = await upload(`${url}/raw`, 64 * 1024, BODY_LIMIT + 1)
  t.equal(announced.status, 413, 'by its length alone')
  t.match(JSON.parse(announced.body), { status: 413, title: 'Body too large' })

  const chunked = await upload(`${url}/raw`, BODY_LIMIT + 1024 * 1024)
  t.equal(chunked.status, 413, 'chunked: once it is over')
  t.match(JSON.parse(chunked.body), { status: 413 })

  const fits = await upload(`${url}/raw`, 1024 * 1024)
  t.equal(fits.status, 200)
  t.same(JSON.parse(fits.body), { bytes: 1024 * 1024 })
})

t.test('a chunked JSON body has the limit of JSON', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  const text = new Blob([`{"name":"${'x'.repeat(JSON_LIMIT)}"}`]).stream()
  const response = await fetch(`${url}/orders`, {
    method: 'POST',
    body: text,
    headers: json,
    duplex: 'half',
  } as RequestInit)
  t.equal(response.status, 413)
  t.match(await response.json(), { detail: 'The body may have at most 1048576 bytes.' })
})

t.test('a chunked body comes as the route takes it', async (t) => {
  const chunk = new Uint8Array(64 * 1024)
  let pulled = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++
      controller.enqueue(chunk)
    },
  })
  const app = new Hono().use(limitBody()).post('/', async (c) => {
    const reader = (c.req.raw.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    // Whoever reads on without being asked would do so in these turns.
    for (let turn = 0; turn < 1_000; turn++) await new Promise(setImmediate)
    const before = pulled
    await reader.cancel()
    return c.json({ before })
  })
  const headers = { 'transfer-encoding': 'chunked' }
  const response = await app.request('/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
  const { before } = (await response.json()) as { before: number }
  t.ok(before < 10, `${before} chunks of ${BODY_LIMIT / chunk.length}`)
})

t.test('a query may have names that every object has', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  const get = async (query: string) => (await fetch(`${url}/names${query}`)).json()
  t.same(await get(''), { toString: 'none' }, 'what is left out is left out')
  t.same(await get('?toString=a&constructor=b'), { toString: 'a', constructor: 'b' })
})
