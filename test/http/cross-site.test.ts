import { Hono } from 'hono'
import t from 'tap'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { rawHttp } from '../helpers/raw-http.ts'

/** Every method that changes something, on Warren's own routes and on a user's. */
function targets() {
  const changed: string[] = []
  const change = (what: string) => async () => {
    changed.push(what)
    return { redriven: 0, skipped: [] }
  }
  const deadLetters = {
    list: async () => ({ deadLetters: [], next: null }),
    redriveAll: change('redriveAll'),
    redrive: change('redrive'),
    remove: change('remove'),
    purge: change('purge'),
  } as unknown as DeadLetters
  const routes = new Hono<FrontDoor>().on(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'BREW'], '/mine', (c) => {
    if (c.req.method !== 'GET') changed.push(`${c.req.method} /mine`)
    return c.text('in')
  })
  return { deadLetters, routes, changed }
}

const CHANGES = [
  ['POST', '/dead-letters/redrive'],
  ['POST', '/dead-letters/redrive?worker=w'],
  ['POST', '/dead-letters/1/redrive'],
  ['DELETE', '/dead-letters/1'],
  ['DELETE', '/dead-letters?worker=w'],
  ['POST', '/mine'],
  ['PUT', '/mine'],
  ['PATCH', '/mine'],
  ['DELETE', '/mine'],
] as const

/** What another site's page has a browser send. */
const ATTACKS: Record<string, string[]> = {
  'a fetch of plain text, an older browser': ['Origin: https://evil.example', 'Content-Type: text/plain'],
  'a form': [
    'Origin: https://evil.example',
    'Content-Type: application/x-www-form-urlencoded',
    'Sec-Fetch-Site: cross-site',
  ],
  'a form, its origin hidden': ['Origin: null', 'Content-Type: multipart/form-data; boundary=x'],
  'a form of a page at another port': [
    'Origin: http://localhost:8080',
    'Sec-Fetch-Site: same-site',
    'Sec-Fetch-Mode: navigate',
  ],
  'the same, an older browser': ['Origin: http://localhost:8080'],
  'a page of a name under localhost': ['Origin: http://evil.localhost:4000'],
  'an origin with the host in it': ['Origin: http://localhost:4000.evil.example'],
  'an origin with the host as its user': ['Origin: http://localhost:4000@evil.example'],
  'a scheme that is none': ['Origin: localhost:4000'],
  'a file': ['Origin: file://localhost:4000'],
  'two origins': ['Origin: http://localhost:4000', 'Origin: https://evil.example'],
  'an empty origin': ['Origin: '],
  'fetch metadata alone': ['Sec-Fetch-Site: cross-site'],
  'fetch metadata that is new': ['Sec-Fetch-Site: something'],
  'fetch metadata twice': ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
  'fetch metadata beside its own origin': ['Sec-Fetch-Site: cross-site', 'Origin: http://localhost:4000'],
}

/** What the front door's own pages and programs send. */
const OWN: Record<string, string[]> = {
  'curl, a program': [],
  'its own page': ['Sec-Fetch-Site: same-origin', 'Origin: http://localhost:4000'],
  'its own page, an older browser': ['Origin: http://localhost:4000'],
  'its own page behind TLS': ['Origin: https://LOCALHOST:4000'],
  'typed in': ['Sec-Fetch-Site: none'],
}

t.test("without keys another site's page changes nothing", async (t) => {
  const { deadLetters, routes, changed } = targets()
  const { url } = await startFrontDoor(t, { routes, deadLetters })
  const send = (method: string, target: string, headers: string[]) =>
    rawHttp(url, [
      `${method} ${target} HTTP/1.1`,
      'Host: localhost:4000',
      'Connection: close',
      'Content-Length: 0',
      ...headers,
    ])

  for (const [what, headers] of Object.entries(ATTACKS)) {
    for (const [method, target] of CHANGES) {
      const answer = await send(method, target, headers)
      t.equal(answer.status, 403, `${what}: ${method} ${target}`)
      t.match(answer.text, /application\/problem\+json/)
    }
    t.equal((await send('GET', '/mine', headers)).status, 200, `${what} may read`)
    t.notMatch((await send('GET', '/dead-letters', headers)).text, /access-control-allow/i, 'which no page gets to see')
  }
  t.same(changed, [])

  for (const [what, headers] of Object.entries(OWN)) {
    for (const [method, target] of CHANGES)
      t.equal((await send(method, target, headers)).status, 200, `${what}: ${method} ${target}`)
  }
  t.equal(changed.length, Object.keys(OWN).length * CHANGES.length)
})

t.test('a method that nobody knows may change something', async (t) => {
  const { routes } = targets()
  const { url } = await startFrontDoor(t, { routes })
  const answer = await rawHttp(url, [
    'PROPFIND /mine HTTP/1.1',
    'Host: localhost',
    'Connection: close',
    'Sec-Fetch-Site: cross-site',
  ])
  t.equal(answer.status, 403)
})

t.test('with keys a page has none, and whoever has one may come from anywhere', async (t) => {
  const key = 'a-key-of-this-test'
  const { routes } = targets()
  const { url } = await startFrontDoor(t, { routes, apiKeys: [key] })
  const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://shop.example' }
  t.equal((await fetch(`${url}/mine`, { method: 'POST', headers })).status, 401)
  t.equal(
    (await fetch(`${url}/mine`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${key}` } })).status,
    200,
  )
})
