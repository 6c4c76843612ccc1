import { Hono } from 'hono'
import t from 'tap'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { startFrontDoor } from '../helpers/front-door.ts'

const routes = new Hono<FrontDoor>().get('/open', (c) => c.text('in'))

t.test('with keys, every route but the health routes asks for one', async (t) => {
  const { url, lines } = await startFrontDoor(t, { routes, apiKeys: ['first-key', 'second-key'] })
  const get = (path: string, authorization?: string) =>
    fetch(url + path, authorization === undefined ? {} : { headers: { authorization } })

  for (const key of ['first-key', 'second-key']) t.equal((await get('/open', `Bearer ${key}`)).status, 200)
  t.equal((await get('/open', 'bearer first-key')).status, 200, 'the scheme is case-insensitive')
  t.equal((await get('/healthz')).status, 200)
  t.equal((await get('/readyz')).status, 200)

  const refused = [undefined, 'Bearer', 'Bearer wrong', 'Bearer first-ke', 'Basic first-key', 'first-key']
  for (const authorization of refused) {
    for (const path of ['/open', '/nowhere', '/healthz/']) {
      const response = await get(path, authorization)
      t.equal(response.status, 401, `${path} with ${authorization}`)
      t.match(response.headers.get('www-authenticate'), /^Bearer/)
      t.equal(response.headers.get('content-type'), 'application/problem+json')
      t.ok(response.headers.get('x-request-id'))
      await response.text()
    }
  }
  t.notMatch(lines.join(), /first-ke|second-key|wrong/)
})

t.test('without keys none is asked for', async (t) => {
  const { url } = await startFrontDoor(t, { routes })
  t.equal((await fetch(`${url}/open`)).status, 200)
})
