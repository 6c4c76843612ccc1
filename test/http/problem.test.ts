import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import t from 'tap'
import {
  BrokerBlockedError,
  BrokerUnavailableError,
  ConfirmLostError,
  MessageTooLargeError,
  UnroutableError,
  ValidationError,
} from '../../supervisor/base/errors.ts'
import type { FrontDoor } from '../../supervisor/base/front-door.ts'
import { problem } from '../../supervisor/http/problem.ts'
import { startFrontDoor } from '../helpers/front-door.ts'

const throws: Record<string, () => unknown> = {
  unavailable: () => new BrokerUnavailableError('connection refused'),
  blocked: () => new BrokerBlockedError('a memory alarm'),
  lost: () => new ConfirmLostError("queue 'q'", 'channel closed'),
  unroutable: () => new UnroutableError("fanout 'f'", 'Add a worker.'),
  large: () => new MessageTooLargeError("queue 'q'", 20, 10),
  invalid: () => new ValidationError('The data', [{ path: 'a.b', message: 'expected a number' }]),
  thrown: () =>
    problem(404, 'No such thumbnail', 'There is none of this id.', { headers: { 'x-extra': '1' }, type: 'urn:x' }),
  exception: () =>
    new HTTPException(401, {
      message: 'Who are you?',
      res: new Response('no', { headers: { 'www-authenticate': 'Basic' } }),
    }),
  unexpected: () => new Error('the password is 1234'),
}
const routes = new Hono<FrontDoor>()
  .get('/:kind', (c) => {
    throw throws[c.req.param('kind')]?.()
  })
  .route(
    '/own',
    new Hono<FrontDoor>().get('/', (c) => c.text('own')),
  )

t.test('every error is one problem response', async (t) => {
  const { url, logs } = await startFrontDoor(t, { routes })
  const expected: Record<string, [number, Record<string, unknown>, Record<string, string>?]> = {
    unavailable: [503, { title: 'Service unavailable' }, { 'retry-after': '1' }],
    blocked: [503, { title: 'Service unavailable' }, { 'retry-after': '1' }],
    lost: [503, { title: 'Service unavailable' }, { 'retry-after': '1' }],
    unroutable: [503, { title: 'Service unavailable' }, { 'retry-after': '1' }],
    large: [413, { title: 'Message too large' }],
    invalid: [422, { title: 'Validation failed', errors: [{ path: 'a.b', message: 'expected a number' }] }],
    thrown: [
      404,
      { type: 'urn:x', title: 'No such thumbnail', detail: 'There is none of this id.' },
      { 'x-extra': '1' },
    ],
    exception: [401, { title: 'Unauthorized', detail: 'Who are you?' }, { 'www-authenticate': 'Basic' }],
    unexpected: [500, { title: 'Internal server error' }],
  }
  for (const [kind, [status, body, headers]] of Object.entries(expected)) {
    const response = await fetch(`${url}/${kind}`, { headers: { 'x-request-id': `id-${kind}` } })
    const found = (await response.json()) as Record<string, unknown>
    t.equal(response.status, status, kind)
    t.equal(response.headers.get('content-type'), 'application/problem+json', kind)
    t.equal(response.headers.get('x-request-id'), `id-${kind}`, kind)
    t.match(found, { type: 'about:blank', status, requestId: `id-${kind}`, ...body }, kind)
    for (const [name, value] of Object.entries(headers ?? {})) t.equal(response.headers.get(name), value, kind)
    t.notMatch(JSON.stringify(found), /1234/, 'no detail of an unexpected error')
  }

  const unexpected = logs().find((line) => line.requestId === 'id-unexpected' && line.err)
  t.match(unexpected, { level: 50, err: { message: 'the password is 1234', stack: /problem\.test/ } })
  t.match(
    logs().find((line) => line.requestId === 'id-unavailable'),
    { level: 30, status: 503, code: 'WARREN_BROKER_UNAVAILABLE' },
  )
})

t.test('a body full of misses does not make a larger response', async (t) => {
  const many = Array.from({ length: 5_000 }, (_, i) => ({ path: String(i), message: 'wrong' }))
  const app = new Hono<FrontDoor>().get('/', () => {
    throw new ValidationError('The body', many)
  })
  const { url } = await startFrontDoor(t, { routes: app })
  const body = (await (await fetch(url)).json()) as { errors: unknown[]; detail: string }
  t.equal(body.errors.length, 100)
  t.ok(body.detail.length <= 1_000)
})
