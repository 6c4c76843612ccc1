import t, { type Test } from 'tap'
import type { Vhost } from '../../../supervisor/broker/vhost/vhost.ts'
import { allOf, bindingTo, mostInOneTurn, OWNER, publishAll, startVhost } from './helpers.ts'

const AUTO_DELETE = { type: 'fanout', durable: true, autoDelete: true, internal: false }
const DIRECT = { type: 'direct', durable: true, autoDelete: false, internal: false }
const CHAIN = 8_000
const BINDINGS = 2_000

t.test('a connection that ends costs its own queues and bindings only', async (t) => {
  const { vhost } = await startVhost(t, { turnMs: 1 })
  for (let n = 0; n < 1_000; n++) {
    vhost.declareQueue(`other.${n}`, { durable: false, exclusive: false, autoDelete: false }, {}, OWNER)
    vhost.bind(bindingTo(`other.${n}`, 'amq.direct', `${n}`), OWNER)
  }
  const bindings = () => vhost.exchange('amq.direct').bindings.size
  const before = bindings()

  /** CPU milliseconds that so many take. */
  async function cost(queues: number): Promise<number> {
    const owner = {}
    own(vhost, owner, queues)
    const began = process.cpuUsage()
    const cleared = allOf(vhost.release(owner))
    t.throws(() => vhost.queue('own.0', OWNER), /404|NOT_FOUND/, 'the names are free at once')
    await cleared
    const { user, system } = process.cpuUsage(began)
    t.equal(bindings(), before)
    return (user + system) / 1_000
  }
  const least = async (queues: number) => Math.min(await cost(queues), await cost(queues), await cost(queues))
  await least(20)
  const [some, many] = [await least(20), await least(160)]
  t.ok(many < 24 * some, `160 queues take ${many.toFixed(1)} ms, 20 take ${some.toFixed(1)}`)

  const owner = {}
  own(vhost, owner, 400)
  const most = mostInOneTurn(bindings, before)
  allOf(vhost.release(owner))
  t.ok((await most) < 3_000, `${await most} of 4000 bindings in one turn at most`)
})

function own(vhost: Vhost, owner: object, queues: number): void {
  for (let n = 0; n < queues; n++) {
    vhost.declareQueue(`own.${n}`, { durable: false, exclusive: true, autoDelete: false }, {}, owner)
    for (let key = 0; key < 10; key++) vhost.bind(bindingTo(`own.${n}`, 'amq.direct', `${key}`), owner)
  }
}

t.test('a chain of exchanges that go with their last binding', async (t) => {
  const { vhost } = await startVhost(t)
  for (let n = 0; n < CHAIN; n++) vhost.declareExchange(`chain.${n}`, AUTO_DELETE, {})
  for (let n = 1; n < CHAIN; n++) {
    const destination = { kind: 'exchange', name: `chain.${n}` } as const
    vhost.bind({ source: `chain.${n - 1}`, destination, routingKey: '', arguments: {} }, OWNER)
  }
  await vhost.deleteExchange(`chain.${CHAIN - 1}`, false)
  for (const n of [0, 1, CHAIN / 2, CHAIN - 2]) t.throws(() => vhost.exchange(`chain.${n}`), /NOT_FOUND/, `chain.${n}`)
})

t.test('what is made again under the name of what was deleted has its own bindings only', async (t) => {
  for (const what of ['queue', 'exchange'] as const) {
    await t.test(what, async (t) => {
      const first = await startVhost(t, { turnMs: 1 })
      await remade(t, first.vhost, what)
      t.equal(first.vhost.exchange('source').bindings.size, 1)
      await first.close()
      const { vhost } = await startVhost(t, { folder: first.folder })
      const keys = [...vhost.exchange('source').bindings.values()].map(({ routingKey }) => routingKey)
      t.same(keys, ['1'], 'after a restart, too')
    })
  }
})

async function remade(t: Test, vhost: Vhost, what: 'queue' | 'exchange'): Promise<void> {
  const queue = () => vhost.declareQueue('queue', { durable: true, exclusive: false, autoDelete: false }, {}, OWNER)
  vhost.declareExchange('source', DIRECT, {})
  queue()
  for (let n = 0; n < BINDINGS; n++) vhost.bind(bindingTo('queue', 'source', `${n}`), OWNER)
  const source = vhost.exchange('source')
  const cleared = what === 'queue' ? deleteQueue(vhost, 'queue') : vhost.deleteExchange('source', false)
  t.ok(source.bindings.size > 0, 'its bindings take several turns')
  if (what === 'queue') queue()
  else vhost.declareExchange('source', DIRECT, {})
  vhost.bind(bindingTo('queue', 'source', '1'), OWNER)
  await cleared
}

function deleteQueue(vhost: Vhost, name: string): Promise<void> {
  return vhost.deleteQueue(name, { ifUnused: false, ifEmpty: false }, OWNER).cleared
}

t.test('a deletion waits for itself alone', async (t) => {
  const { vhost, declare } = await startVhost(t, { turnMs: 1 })
  vhost.declareExchange('source', DIRECT, {})
  declare('large')
  declare('small')
  for (let n = 0; n < 4 * BINDINGS; n++) vhost.bind(bindingTo('large', 'source', `${n}`), OWNER)
  const { size } = vhost.exchange('source').bindings
  const large = deleteQueue(vhost, 'large')
  await deleteQueue(vhost, 'small')
  const left = vhost.exchange('source').bindings.size
  t.ok(left > size / 2, `${left} of ${size} bindings of the other are left`)
  await large
  t.equal(vhost.exchange('source').bindings.size, 0)
})

t.test('messages do not follow bindings to what was deleted', async (t) => {
  const { vhost, declare, store } = await startVhost(t, { turnMs: 1 })
  declare('left')
  declare('alternate')
  vhost.declareExchange('source', DIRECT, { 'alternate-exchange': 'amq.fanout' })
  vhost.bind(bindingTo('alternate', 'amq.fanout', ''), OWNER)
  for (let n = 0; n < BINDINGS; n++) vhost.bind(bindingTo('left', 'source', `${n}`), OWNER)
  await store.synced()
  vhost.deleteQueue('left', { ifUnused: false, ifEmpty: false }, OWNER)
  const last = `${BINDINGS - 1}`
  const message = { exchange: 'source', routingKey: last, properties: Buffer.alloc(2), body: Buffer.alloc(0) }
  const reached = publishAll(vhost, {
    message: { ...message, persistent: true, priority: 0 },
    routingKeys: [last],
    headers: () => undefined,
  })
  t.equal(reached, 1)
  t.equal(vhost.queue('alternate', OWNER).messageCount, 1, 'the alternate exchange gets them')
})
