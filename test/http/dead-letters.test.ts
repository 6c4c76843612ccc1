// The routes over a real port, the real operations and a broker.
import t from 'tap'
import type { DeadLetters } from '../../supervisor/base/dead-letters.ts'
import { recordOf } from '../../supervisor/base/error-record.ts'
import { deadLetterHeaders } from '../../supervisor/execution/settlement.ts'
import { testBroker } from '../helpers/broker.ts'
import { startFrontDoor } from '../helpers/front-door.ts'
import { aFanout, aQueue, bench } from '../helpers/messaging.ts'

const broker = await testBroker(t)

const headersOf = (error: Error) =>
  deadLetterHeaders({
    reason: 'failed',
    error: recordOf(error),
    attempts: 2,
    worker: 'w',
    host: 'h',
    at: new Date(),
    before: {},
  })

t.test('list, show, redrive and remove over HTTP', async (t) => {
  const { channel, consumer, deadLetters } = bench(t, broker.url)
  const queue = aQueue()
  const fanout = aFanout()
  await (await consumer({ address: queue })).close()
  const subscriber = await consumer({ address: fanout, worker: 'second', onMessage: (m) => m.ack() })
  const raw = await channel()
  for (const [id, to] of [
    ['a/b', `${queue.name}.dead`],
    ['both', `${queue.name}.dead`],
    ['last', `${queue.name}.dead`],
    ['both', `${fanout.name}.second.dead`],
  ] as const) {
    const error = id === 'last' ? new RangeError('no') : new TypeError('no')
    raw.sendToQueue(to, Buffer.from('{}'), { messageId: id, headers: headersOf(error) })
  }
  await (raw as unknown as { waitForConfirms(): Promise<void> }).waitForConfirms()
  const letters = await deadLetters(['first', queue], ['second', fanout])
  const { url } = await startFrontDoor(t, { deadLetters: letters })
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${url}/dead-letters${path}`, { method })
    return { status: response.status, type: response.headers.get('content-type'), body: await response.json() }
  }
  const problem = 'application/problem+json'

  const first = await ask('?limit=2')
  t.match(first, { status: 200, body: { deadLetters: [{ id: 'a/b', worker: 'first', attempts: 2 }, { id: 'both' }] } })
  const second = await ask(`?limit=2&after=${(first.body as { next: string }).next}`)
  t.match(second.body, { deadLetters: [{ id: 'last' }, { id: 'both', worker: 'second' }], next: null })
  t.match(await ask('?error=RangeError'), { body: { deadLetters: [{ id: 'last', error: 'RangeError' }], next: null } })
  t.match(await ask('?worker=second'), { body: { deadLetters: [{ worker: 'second' }] } })

  t.match(await ask('/a%2Fb'), { status: 200, body: { id: 'a/b', body: '{}', stack: /TypeError: no/ } })
  t.match(await ask('/none'), { status: 404, type: problem, body: { title: 'No such dead letter' } })
  t.match(await ask('/both'), { status: 409, type: problem, body: { detail: /first, second/ } })
  t.match(await ask('?worker=third'), { status: 404, type: problem, body: { title: 'No such worker' } })
  t.match(await ask('?limit=0'), { status: 422, type: problem, body: { errors: [{ path: 'limit' }] } })
  t.match(await ask('?wroker=x'), { status: 422, type: problem })
  t.match(await ask('?after=x'), { status: 422, type: problem, body: { errors: [{ path: 'after' }] } })

  t.match(await ask('/both/redrive?worker=second', 'POST'), { status: 200, body: { id: 'both', worker: 'second' } })
  t.match((await subscriber.received.reach(1))[0], { id: 'both', attempt: 1 })
  t.match(await ask('/redrive?error=RangeError', 'POST'), { status: 200, body: { redriven: 1, skipped: [] } })
  t.match(await ask('/a%2Fb', 'DELETE'), { status: 200, body: { id: 'a/b' } })
  t.match(await ask('', 'DELETE'), { status: 422, body: { errors: [{ path: 'worker' }] } })
  t.match(await ask('?worker=first', 'DELETE'), { status: 200, body: { removed: 1 } })
  t.match(await ask(''), { body: { deadLetters: [], next: null } })
  t.equal((await raw.checkQueue(queue.name)).messageCount, 1)
})

t.test('without a broker it is a 503 at once, without a key a 401', async (t) => {
  const never = { list: () => t.fail('nobody is asked') } as unknown as DeadLetters
  const state = { status: 'waiting', reason: 'nothing listens there' }
  const { url } = await startFrontDoor(t, { deadLetters: never, state, apiKeys: ['key'] })
  t.equal((await fetch(`${url}/dead-letters`)).status, 401)
  const response = await fetch(`${url}/dead-letters`, { headers: { authorization: 'Bearer key' } })
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { detail: /nothing listens there/ })
})
