import t from 'tap'
import { decodeProperties, encodeProperties } from '../../../supervisor/amqp/properties.ts'
import { bindingTo, OWNER, startVhost } from './helpers.ts'

const AT_LEAST_ONCE = {
  'x-queue-type': 'quorum',
  'x-overflow': 'reject-publish',
  'x-dead-letter-strategy': 'at-least-once',
}

const DURABLE = { durable: true, autoDelete: false, internal: false }

t.test('each target gets a dead letter once, also while another one refuses it', async (t) => {
  const { vhost, declare, publish, forward, settled } = await startVhost(t, { retryMs: 20 })
  declare('takes')
  declare('refuses', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
  for (const queue of ['takes', 'refuses']) vhost.bind(bindingTo(queue, 'amq.fanout', ''), OWNER)
  declare('source', { ...AT_LEAST_ONCE, 'x-message-ttl': 1_000, 'x-dead-letter-exchange': 'amq.fanout' })
  await publish('', 'refuses', 1)
  await publish('', 'source', 3)
  forward(1_001)
  const [source, takes, refuses] = ['source', 'takes', 'refuses'].map((name) => vhost.queue(name, OWNER))
  if (!source || !takes || !refuses) throw new Error('There is no queue')
  source.expire()
  await settled(() => takes.messageCount === 3)
  for (let left = 3; left > 0; left--) {
    t.equal(takes.messageCount, 3)
    t.equal(refuses.purge(), 1)
    await settled(() => refuses.messageCount === 1)
  }
  t.equal(takes.messageCount, 3)
  refuses.purge()
  forward(1_000_000)
  t.equal(refuses.messageCount, 0, 'nothing comes again')
})

t.test('dead letters that have to wait count towards the limits of their queue', async (t) => {
  const { vhost, declare, publish, forward } = await startVhost(t)
  const queue = (name: string) => vhost.queue(name, OWNER)
  const nowhere = { ...AT_LEAST_ONCE, 'x-message-ttl': 1_000, 'x-dead-letter-exchange': 'nowhere' }

  await t.test('its length', async (t) => {
    declare('short', { ...nowhere, 'x-max-length': 100 })
    const accepted: boolean[] = []
    for (let round = 0; round < 20; round++) {
      accepted.push(...(await publish('', 'short', 50)))
      forward(1_001)
      queue('short').expire()
    }
    const count = accepted.filter(Boolean).length
    t.ok(count >= 100 && count <= 200, `${count} were accepted`)
  })

  await t.test('the memory that they may take', async (t) => {
    declare('long', nowhere)
    await publish('', 'long', 6_000)
    forward(1_001)
    while (queue('long').expire()) await new Promise((resolve) => setImmediate(resolve))
    t.ok(queue('long').messageCount > 1_000, `${queue('long').messageCount} stay in the queue`)
    t.equal(queue('long').get(true), undefined, 'nothing is handed out past them')
  })
})

t.test("what passes the delay network's queues is not changed by them", async (t) => {
  const { vhost, declare, forward, send } = await startVhost(t)
  declare('work')
  vhost.declareExchange('warren.deliver', { ...DURABLE, type: 'topic' }, {})
  vhost.bind(bindingTo('work', 'warren.deliver', '#.work'), OWNER)
  declare('warren.delay.0', { ...AT_LEAST_ONCE, 'x-message-ttl': 100, 'x-dead-letter-exchange': 'warren.deliver' })
  const properties = { headers: { a: 1 }, deliveryMode: 2, priority: 3, correlationId: 'c' }
  send('', 'warren.delay.0', encodeProperties({ ...properties, expiration: '90000' }), ['1.work'])
  forward(101)
  vhost.queue('warren.delay.0', OWNER).expire()
  const entry = vhost.queue('work', OWNER).get(true)
  t.same(entry && decodeProperties(entry.message.properties), properties)
})

t.test("a circle through queues with the names of the delay network's ends as any other", async (t) => {
  // Each queue with the exchange that its messages go on to.
  const circles: [queue: string, exchange: string][][] = [
    // Down level by level, and up again from the last.
    [
      ['warren.delay.7', 'warren.delay.6'],
      ['warren.delay.6', 'warren.delay.5'],
      ['warren.delay.5', 'warren.delay.4'],
    ],
    [['warren.delay.17', 'warren.delay.16']],
    [
      ['warren.delay.27', 'warren.delay.26'],
      ['elsewhere', 'anything'],
    ],
    [
      ['warren.delay.1', 'anything'],
      ['warren.delay.2', 'warren.delay.1'],
    ],
    [
      ['warren.delay.0', 'warren.deliver'],
      ['warren.delay.3', 'warren.delay.2'],
    ],
  ]
  for (const strategy of [{}, AT_LEAST_ONCE]) {
    for (const circle of circles) {
      const { vhost, declare, forward, publish, close } = await startVhost(t, { retryMs: 600_000 })
      for (const [queue, exchange] of circle) {
        declare(queue, { ...strategy, 'x-message-ttl': 100, 'x-dead-letter-exchange': exchange })
        vhost.declareExchange(exchange, { ...DURABLE, type: 'fanout' }, {})
      }
      for (const [index, [, exchange]] of circle.entries()) {
        const [next] = circle[(index + 1) % circle.length] as [string, string]
        vhost.bind(bindingTo(next, exchange, ''), OWNER)
      }
      const queues = circle.map(([name]) => vhost.queue(name, OWNER))
      await publish('', queues[0]?.name ?? '', 3)
      const waiting = () => queues.reduce((sum, { messageCount }) => sum + messageCount, 0)
      let hops = 0
      for (; waiting() > 0 && hops < 50; hops++) {
        forward(101)
        for (const queue of queues) await queue.expire()
        // The time that a turn of the event loop has for it begins anew.
        await new Promise((resolve) => setImmediate(resolve))
      }
      const most = 2 * circle.length + 1
      t.ok(hops <= most, `${circle.map(([name]) => name).join(' -> ')} ends after ${hops} steps, ${most} at most`)
      await close()
    }
  }
})

t.test('a message passes the levels of the delay network one after the other, and dies in none', async (t) => {
  const { vhost, declare, forward, send } = await startVhost(t)
  declare('work')
  for (const name of ['warren.deliver', 'warren.delay.0', 'warren.delay.1', 'warren.delay.2']) {
    vhost.declareExchange(name, { ...DURABLE, type: 'topic' }, {})
  }
  vhost.bind(bindingTo('work', 'warren.deliver', '#.work'), OWNER)
  for (const level of [0, 1, 2]) {
    const next = level === 0 ? 'warren.deliver' : `warren.delay.${level - 1}`
    declare(`warren.delay.${level}`, { ...AT_LEAST_ONCE, 'x-message-ttl': 100, 'x-dead-letter-exchange': next })
    vhost.bind(bindingTo(`warren.delay.${level}`, `warren.delay.${level}`, '#'), OWNER)
  }
  const properties = { headers: { a: 1 }, deliveryMode: 2 }
  send('', 'warren.delay.2', encodeProperties(properties), ['1.1.1.work'])
  for (const level of [2, 1, 0]) {
    forward(101)
    await vhost.queue(`warren.delay.${level}`, OWNER).expire()
  }
  const entry = vhost.queue('work', OWNER).get(true)
  t.same(entry && decodeProperties(entry.message.properties), properties)
})

t.test('a chain of queues that keep nothing is gone through in slices', async (t) => {
  const { vhost, declare, publish, settled } = await startVhost(t, { turnMs: 1 })
  const LAST = 400
  declare(`chain.${LAST}`)
  for (let n = 0; n < LAST; n++) {
    const next = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': `chain.${n + 1}` }
    declare(`chain.${n}`, { 'x-max-length': 0, ...next })
  }
  await publish('', 'chain.0', 1)
  const last = vhost.queue(`chain.${LAST}`, OWNER)
  t.equal(last.messageCount, 0, 'it is still on its way')
  await settled(() => last.messageCount === 1)
  const headers = decodeProperties(last.get(true)?.message.properties ?? Buffer.alloc(2)).headers
  t.equal((headers?.['x-death'] as unknown[]).length, LAST)
})

t.test('a death is noted behind the headers of the sender, and nothing else is changed', async (t) => {
  const { vhost, declare, send, settled } = await startVhost(t)
  declare('dead')
  declare('source', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
  const [source, dead] = [vhost.queue('source', OWNER), vhost.queue('dead', OWNER)]
  const rest = { deliveryMode: 2, correlationId: 'c', replyTo: 'r', messageId: 'm', timestamp: 1, appId: 'a' }
  const cases = [
    {},
    rest,
    { headers: {} },
    { ...rest, headers: { a: 1, b: 'c' }, expiration: '90000' },
    { ...rest, headers: { 'x-death': 'mine', 'x-first-death-queue': 'mine', b: true } },
  ]
  for (const properties of cases) {
    send('', 'source', encodeProperties(properties))
    const entry = source.get(false)
    if (entry) source.reject(entry, false)
    await settled(() => dead.messageCount === 1)
    const { expiration, headers: own, ...others } = properties as { expiration?: string; headers?: object }
    const found = decodeProperties(dead.get(true)?.message.properties ?? Buffer.alloc(2))
    const { headers: { 'x-death': deaths, ...headers } = {}, ...left } = found
    t.same(left, others)
    const named = (which: string) => ({
      [`x-${which}-death-exchange`]: '',
      [`x-${which}-death-queue`]: 'source',
      [`x-${which}-death-reason`]: 'rejected',
    })
    const { 'x-death': _, ...kept } = (own ?? {}) as Record<string, unknown>
    t.same(headers, { ...kept, ...named('first'), ...named('last') })
    const original = expiration === undefined ? {} : { 'original-expiration': expiration }
    t.match(deaths, [{ count: 1, reason: 'rejected', queue: 'source', 'routing-keys': ['source'], ...original }])
  }
})

t.test('what has died is sent on, also when its queue is deleted before that', async (t) => {
  const { vhost, declare, publish, settled } = await startVhost(t, { turnMs: 1 })
  declare('dead')
  declare('source', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
  await publish('', 'source', 3_000)
  const source = vhost.queue('source', OWNER)
  const taken = Array.from({ length: 2_000 }, () => source.get(false))
  for (const entry of taken) if (entry) source.reject(entry, false)
  vhost.deleteQueue('source', { ifUnused: false, ifEmpty: false }, OWNER)
  t.equal(source.messageCount, 0, 'what is ready goes at once')
  const dead = vhost.queue('dead', OWNER)
  t.ok(dead.messageCount < 2_000, 'not all of it was sent on at once')
  await settled(() => source.isGone())
  t.equal(dead.messageCount, 2_000, 'what was ready is deleted')
})

t.test('a queue that is deleted while dead letters wait in it is asked for nothing', async (t) => {
  const { vhost, store, declare, publish } = await startVhost(t, { retryMs: 100 })
  declare('source', { ...AT_LEAST_ONCE, 'x-dead-letter-exchange': 'nowhere' })
  await publish('', 'source', 3)
  const source = vhost.queue('source', OWNER)
  const taken = Array.from({ length: 3 }, () => source.get(false))
  for (const entry of taken) if (entry) source.reject(entry, false)
  vhost.deleteQueue('source', { ifUnused: false, ifEmpty: false }, OWNER)
  await store.synced()
  await new Promise((resolve) => setTimeout(resolve, 200))
  await publish('', 'source', 1)
})

t.test('what a full queue refuses and sends on is never ready in it', async (t) => {
  const { vhost, declare, publish, settled } = await startVhost(t, { turnMs: 1 })
  declare('dead')
  declare('full', {
    'x-max-length': 1,
    'x-overflow': 'reject-publish-dlx',
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'dead',
  })
  const publishing = publish('', 'full', 2_000)
  const [full, dead] = ['full', 'dead'].map((name) => vhost.queue(name, OWNER))
  t.ok((dead?.messageCount ?? 0) < 1_999, 'not all of it was sent on at once')
  t.equal(full?.messageCount, 1)
  t.ok(full?.get(true))
  t.equal(full?.get(true), undefined)
  t.equal((await publishing).filter(Boolean).length, 1)
  await settled(() => dead?.messageCount === 1_999)
})

t.test('who waits until dead letters are fewer goes on, whoever sends these on', async (t) => {
  const { vhost, declare, publish, forward, settled } = await startVhost(t, { turnMs: 0.001 })
  // More than get a message in one step.
  for (let i = 0; i < 101; i++) {
    declare(`target-${i}`, { 'x-max-length': 1 })
    vhost.bind(bindingTo(`target-${i}`, 'amq.fanout', ''), OWNER)
  }
  declare('expiring', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': 'amq.fanout' })
  declare('source', { 'x-dead-letter-exchange': 'amq.fanout' })
  const [expiring, source] = ['expiring', 'source'].map((name) => vhost.queue(name, OWNER))
  if (!expiring || !source) throw new Error('There is no queue')
  for (const count of [1_500, 1_501]) {
    await publish('', 'expiring', 1)
    await publish('', 'source', count)
    forward(1_001)
    // One is sent on by what it has died of, the others beside that.
    expiring.expire()
    for (let entry = source.get(false); entry; entry = source.get(false)) source.reject(entry, false)
    t.ok(vhost.pressure.isBusy())
    let isCalm = false
    vhost.pressure.whenCalm(() => {
      isCalm = true
    })
    await settled(() => !vhost.pressure.isBusy())
    await settled(() => isCalm)
  }
})
