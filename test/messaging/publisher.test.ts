import t, { type Test } from 'tap'
import type { Link } from '../../supervisor/messaging/link.ts'
import { createPublisher, type Outgoing } from '../../supervisor/messaging/publisher.ts'

/** A publisher whose broker takes everything and confirms nothing. */
async function silent(t: Test, onCheck: () => void) {
  const lost = new AbortController()
  const channel = { on() {}, send: () => true, mostProperties: 0 }
  const link = { lost: lost.signal, confirmChannel: async () => channel, checkAlive: onCheck, fail: () => {} }
  t.teardown(() => lost.abort(new Error('the end')))
  const publisher = createPublisher(() => 'none')
  await publisher.attach(link as unknown as Link)
  return publisher
}

const message: Outgoing = {
  exchange: '',
  routingKey: 'q',
  body: Buffer.from('{}'),
  properties: { messageId: 'm', persistent: true, mandatory: true },
  address: 'queue',
}

t.test('a broker that stands still is given up for the sake of sends, not of copies', async (t) => {
  let checks = 0
  const copies = await silent(t, () => checks++)
  copies.publish({ ...message, outlastsAlarm: true }).catch(() => {})
  await new Promise<void>((resolve, reject) => {
    silent(t, resolve).then((sends) => sends.publish(message).catch(() => {}), reject)
  })
  t.equal(checks, 0)
})
