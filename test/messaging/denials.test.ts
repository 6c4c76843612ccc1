// What a user without permissions meets on RabbitMQ; the embedded broker's one user may do everything.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { AccessRefusedError, BrokerUnavailableError, TopologyError } from '../../supervisor/base/errors.ts'
import { openDeadLetters } from '../../supervisor/messaging/dead-letters.ts'
import { createDenials, publishingTo } from '../../supervisor/messaging/denials.ts'
import { openFleet } from '../../supervisor/messaging/fleet.ts'
import { noRabbitmq, testBroker } from '../helpers/broker.ts'
import { aFanout, aQueue, bench } from '../helpers/messaging.ts'
import type { Permissions } from '../helpers/rabbitmq-admin.ts'
import { until } from '../helpers/until.ts'

const ALL: Permissions = { configure: '.*', write: '.*', read: '.*' }

const { url: owner, vhost, admin } = await testBroker(t)
const user = `user-${randomUUID().slice(0, 8)}`
const url = new URL(owner)
url.username = user
url.password = 'the-secret-of-it'
// Each call of the admin takes a while: one user, and one vhost, for all tests.
await admin?.createUser(user, 'the-secret-of-it', vhost)
t.teardown(() => admin?.deleteUser(user))
const permit = (permissions: Permissions) => admin?.setPermissions(user, vhost, permissions)
const skip = noRabbitmq || (admin ? false : 'this broker lets nobody make users')

const refused = (what: RegExp) => ({ name: 'AccessRefusedError', code: 'WARREN_ACCESS_REFUSED', message: what })

t.test('a declaration without permission names it, and works once it is granted', { skip }, async (t) => {
  await permit({ ...ALL, write: '^nothing$' })
  const { client, lines } = bench(t, url.href)
  const sender = await client()
  const queue = aQueue()

  await t.rejects(
    sender.bus().send(queue, { n: 1 }),
    refused(/: (write )?access to .* in vhost '.*' refused for user 'user-/),
  )
  t.match(sender.denied, /^The broker does not permit it: (write )?access to .*Grant the permission/)
  t.equal(sender.state.status, 'ready', 'other sends may work')
  await t.rejects(sender.bus().send(queue, { n: 2 }), AccessRefusedError, 'at once, and again')
  const words = lines.items.filter(({ msg }) => msg === 'the broker refuses a permission')
  t.equal(words.length, 1, 'told once')

  await permit(ALL)
  await until(() => sender.denied === undefined, { what: 'the permission to be found' })
  await sender.bus().send(queue, { n: 3 })
})

t.test('a publish without permission costs the connection once, not at every send', { skip }, async (t) => {
  const { client, lines } = bench(t, url.href)
  const [closed, open] = [aFanout('closed'), aFanout('open')]
  await permit({ ...ALL, write: '^(?!closed-)' })
  const sender = await client()
  const publish = (fanout: typeof open) => sender.bus().publish(fanout, { n: 1 }, { mandatory: false })
  await publish(open)

  const denied = refused(/: (write )?access to exchange 'closed-.*' in vhost .* refused for user 'user-/)
  await t.rejects(publish(closed), denied)
  await until(() => sender.state.status === 'ready', { what: 'a connection after the loss' })
  t.match(sender.denied, /exchange 'closed-/)
  const connected = () => lines.items.filter(({ msg }) => msg === 'connected to the broker').length
  const before = connected()
  for (let n = 0; n < 20; n++) await t.rejects(publish(closed), denied)
  await publish(open)
  t.equal(connected(), before, 'nothing else was lost for them')

  await permit(ALL)
  await until(() => sender.denied === undefined, { what: 'the next send to be let through' })
  await publish(closed)
})

t.test('what is declared otherwise is no matter of permissions', { skip }, async (t) => {
  const { client, channel } = bench(t, url.href)
  const queue = aQueue()
  await (await channel()).assertQueue(queue.name)
  const sender = await client()
  await t.rejects(sender.bus().send(queue, { n: 1 }), TopologyError)
  await t.rejects(sender.bus().send(queue, { n: 1 }), { message: /PRECONDITION.*Rename it, or move its messages/ })
  t.equal(sender.denied, undefined)
  t.notMatch(new TopologyError('queue', '403 (ACCESS-REFUSED)').message, /delete/, 'no advice that harms')
})

t.test('dead letters and the fleet tell the permission in a sentence', { skip }, async (t) => {
  await permit({ configure: '^$', write: '^$', read: '^$' })
  const queue = aQueue()
  const redrive = async () => {}
  const workers = async () => [{ name: 'w', address: queue, subscription: 'group' as const }]
  const letters = openDeadLetters({ urls: [url.href], name: 'test', workers, redrive })
  await t.rejects(letters.list({ limit: 1 }), refused(/refused for user 'user-/))
  await t.rejects(openFleet({ urls: [url.href], name: 'test' }).workers(), { code: /^WARREN_/ })
})

t.test('a vhost that is deleted, or never was, is told in words', { skip }, async (t) => {
  await permit(ALL)
  const { client } = bench(t, url.href)
  const sender = await client()
  const queue = aQueue()
  await sender.bus().send(queue, { n: 1 })
  await admin?.deleteVhost(vhost)
  const words = new RegExp(`refused virtual host '${vhost}' to user '${user}': it does not exist, or the user has no`)
  await until(() => words.test(sender.state.reason ?? ''), { what: 'the reason' })
  t.match(sender.state, { status: 'waiting', code: 'NOT_ALLOWED' })
  await t.rejects(sender.bus().send(queue, { n: 2 }), BrokerUnavailableError)
  const letters = openDeadLetters({ urls: [url.href], name: 'test', workers: async () => [], redrive: async () => {} })
  await t.rejects(letters.list({ limit: 1 }), { name: 'BrokerUnavailableError', message: words })
  // Its teardown deletes it, and looks for what is connected.
  await admin?.createVhost(vhost)
})

t.test('a question that gets no answer changes nothing; without one, the next send asks', async (t) => {
  // The timers of denials keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  let changes = 0
  const denials = createDenials(() => changes++, 1)
  const denial = new Error(
    'Channel closed by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - write access"',
  )
  // Thrown at once, as while there is no connection, or later.
  const answers = [
    () => {
      throw new Error('no connection')
    },
    () => Promise.reject(denial),
    () => Promise.reject(new AccessRefusedError('it')),
  ]
  let asked = 0
  const all = new Promise<void>((resolve) => {
    denials.note('a', denial, () => {
      t.throws(() => denials.check('a'), AccessRefusedError)
      const answer = answers[asked++]
      if (answer) return answer()
      resolve()
      return Promise.resolve()
    })
  })
  await all
  await until(() => denials.reason === undefined, { what: 'the answer' })
  t.same([asked, changes], [4, 2], 'told when it began and when it ended')

  denials.note(publishingTo('f'), denial)
  t.throws(() => denials.check("exchange 'f'"), { message: /write access/ })
  await until(() => denials.reason === undefined, { what: 'the next send to be let through' })
  denials.close()
})
