// A message for many queues: each gets it, in slices, and whoever publishes it hears of that last.
import t, { type Test } from 'tap'
import { message } from '../store/helpers.ts'
import { bindingTo, mostInOneTurn, OWNER, startVhost, type VhostUnderTest } from './helpers.ts'

const QUEUES = 1_500

async function fannedOut(t: Test): Promise<VhostUnderTest> {
  const under = await startVhost(t, { turnMs: 1 })
  for (let n = 0; n < QUEUES; n++) {
    under.declare(`q.${n}`)
    under.vhost.bind(bindingTo(`q.${n}`, 'amq.fanout', ''), OWNER)
  }
  await under.store.synced()
  return under
}

const publication = (routingKeys = ['']) => ({
  message: message('x', { exchange: 'amq.fanout', properties: Buffer.alloc(2) }),
  routingKeys,
  headers: () => undefined,
})

const countIn = ({ vhost }: VhostUnderTest) => {
  let count = 0
  for (let n = 0; n < QUEUES; n++) count += vhost.queue(`q.${n}`, OWNER).messageCount
  return count
}

t.test('it is confirmed once all of them have it on disk, and not before', async (t) => {
  const under = await fannedOut(t)
  const { vhost, store } = under
  let confirmed: boolean | undefined
  const { reached, steps } = vhost.publish(publication(), (accepted) => {
    confirmed = accepted
  })
  t.equal(reached, QUEUES)
  steps.next()
  await store.synced()
  const some = countIn(under)
  t.ok(some > 0 && some < QUEUES / 2, `${some} have it after a step`)
  t.equal(confirmed, undefined)
  for (const _ of steps);
  t.equal(countIn(under), QUEUES)
  t.equal(confirmed, undefined)
  await store.synced()
  t.equal(confirmed, true)
})

t.test('a queue that is made meanwhile does not get it, whatever it is called', async (t) => {
  const under = await fannedOut(t)
  const { vhost } = under
  const last = `q.${QUEUES - 1}`
  const { steps } = vhost.publish(publication())
  steps.next()
  vhost.deleteQueue(last, { ifUnused: false, ifEmpty: false }, OWNER)
  under.declare(last)
  for (const _ of steps);
  t.equal(vhost.queue(last, OWNER).messageCount, 0)
  t.equal(countIn(under), QUEUES - 1)
})

t.test('a dead letter for many queues is given to them in slices, and leaves its queue with the last', async (t) => {
  const under = await fannedOut(t)
  const { vhost, declare, publish, forward } = under
  declare('source', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': 'amq.fanout' })
  await publish('', 'source', 3)
  forward(1_001)
  const most = mostInOneTurn(() => countIn(under), 3 * QUEUES)
  vhost.queue('source', OWNER).expire()
  t.ok((await most) < QUEUES, `${await most} in one turn at most`)
  t.equal(countIn(under), 3 * QUEUES)
})
