import { Hono } from 'hono'
import t from 'tap'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { isOwnHost } from '../../supervisor/http/own-host.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { rawHttp } from '../helpers/raw-http.ts'

const routes = new Hono<FrontDoor>().get('/mine', (c) => c.text('in'))
const deadLetters = { list: async () => ({ deadLetters: [], next: null }) } as unknown as DeadLetters

const OWN = [
  'localhost',
  'localhost:4000',
  'localhost:1',
  'LocalHost:4000',
  'localhost.',
  'app.localhost:4000',
  '127.0.0.1',
  '127.0.0.1:4000',
  '127.9.9.9:80',
  '[::1]',
  '[::1]:4000',
  '[::ffff:7f00:1]:4000',
]
const FOREIGN = [
  'evil.example',
  'evil.example:4000',
  'localhost.evil.example',
  'localhost.evil.example:4000',
  'evil-localhost',
  'evillocalhost:4000',
  '127.0.0.1.nip.io',
  '127.0.0.1.evil.example:4000',
  '127.1',
  '128.0.0.1',
  '10.0.0.1:4000',
  '0.0.0.0:4000',
  '[::]:4000',
  '[::2]',
  '[fe80::1]:4000',
  '[::ffff:8000:1]',
  'localhost..',
  'xn--localhost-',
]
// Host headers that are none: a browser never sends them.
const MALFORMED = [
  'user@localhost',
  'localhost:4000@evil.example',
  'localhost/evil',
  'localhost evil',
  'localhost:x',
  '[::1',
]

t.test('hosts that are this machine', async (t) => {
  for (const host of OWN) t.equal(isOwnHost(host), true, host)
  for (const host of [...FOREIGN, ...MALFORMED, '']) t.equal(isOwnHost(host), false, host)
})

t.test('without keys a name that was resolved to this machine reaches nothing', async (t) => {
  const { url, lines } = await startFrontDoor(t, { routes, deadLetters })
  const get = (target: string, ...headers: string[]) =>
    rawHttp(url, [`GET ${target} HTTP/1.1`, 'Connection: close', ...headers])

  for (const host of OWN) t.equal((await get('/mine', `Host: ${host}`)).status, 200, host)
  for (const host of FOREIGN) {
    const answer = await get('/dead-letters', `Host: ${host}`)
    t.equal(answer.status, 421, host)
    t.match(answer.text, /application\/problem\+json[\s\S]*Expected a Host that is this machine's/)
  }
  for (const host of MALFORMED) t.equal((await get('/mine', `Host: ${host}`)).status, 400, host)
  for (const path of ['/mine', '/healthz', '/readyz', '/workers', '/nowhere']) {
    t.equal((await get(path, 'Host: evil.example')).status, 421, path)
  }
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    const answer = await rawHttp(url, [`${method} /dead-letters HTTP/1.1`, 'Connection: close', 'Host: evil.example'])
    t.equal(answer.status, 421, method)
  }
  t.match(lines.join(), /"status":421/, 'in the log')

  t.equal((await get('http://localhost/mine', 'Host: localhost')).status, 200, 'a target with a host')
  t.equal((await get('http://evil.example/mine', 'Host: localhost')).status, 421, "the target's host counts")
  t.equal((await get('http://localhost/mine', 'Host: evil.example')).status, 421, 'and the header is no way around it')
  t.equal((await get('http://user@evil.example/mine', 'Host: localhost')).status, 421)
  t.equal((await get('HTTP://evil.example/mine', 'Host: localhost')).status, 400)

  t.equal((await rawHttp(url, ['GET /mine HTTP/1.0'])).status, 200, 'HTTP/1.0 needs no Host, and no browser speaks it')
  t.equal((await rawHttp(url, ['GET /mine HTTP/1.0', 'Host: evil.example'])).status, 421)
})

t.test('with keys a proxy may pass on any host', async (t) => {
  const key = 'a-key-of-this-test'
  const { url } = await startFrontDoor(t, { routes, apiKeys: [key] })
  const get = (...headers: string[]) => rawHttp(url, ['GET /mine HTTP/1.1', 'Connection: close', ...headers])
  t.equal((await get('Host: shop.example', `Authorization: Bearer ${key}`)).status, 200)
  t.equal((await get('Host: shop.example')).status, 401)
})
