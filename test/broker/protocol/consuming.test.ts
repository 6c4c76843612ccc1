import t from 'tap'
import { SET_ASIDE } from '../../../supervisor/base/set-aside.ts'
import { createConsuming } from '../../../supervisor/broker/protocol/consuming.ts'
import type { Wire } from '../../../supervisor/broker/protocol/context.ts'
import { createSettling } from '../../../supervisor/broker/protocol/settling.ts'
import { message } from '../store/helpers.ts'
import { mostInOneTurn, OWNER, startVhost } from '../vhost/helpers.ts'

t.setTimeout(100_000)

/** Property flags that announce headers, and headers that end too early: nothing can be read of them. */
const UNREADABLE = Buffer.from([0x20, 0, 0, 0, 0, 99, 3, ...Buffer.from('BCC')])
const COUNT = 20_000

t.test('a get passes any number of messages that have no form on the wire', async (t) => {
  let errors = 0
  const { vhost, declare } = await startVhost(t, { onError: () => void errors++ })
  declare('q')
  const queue = vhost.queue('q', OWNER)
  for (let i = 0; i < COUNT; i++) queue.publish(message('bad', { properties: UNREADABLE }))
  queue.publish(message('good', { properties: Buffer.alloc(2) }))
  const frames: Buffer[] = []
  const failed = (error: unknown) => void t.fail(String(error))
  const wire = {
    context: { vhost, replies: new Map(), limits: { consumers: 1 } },
    owner: OWNER,
    frameMax: 131_072,
    write: (frame: Buffer) => void frames.push(frame),
    hold: (until: Promise<void>) => void until.catch(failed),
    onHandedOut() {},
    fail: failed,
  }
  const consuming = createConsuming(1, wire as unknown as Wire, createSettling())
  const most = mostInOneTurn(() => queue.messageCount, 0)
  consuming.get({ name: 'basic.get', queue: 'q', noAck: false }, 'q')
  t.ok((await most) < COUNT / 10, `${await most} in one turn at most`)
  t.equal(frames.length, 1)
  t.ok(frames[0]?.includes('good'))
  t.equal(errors, COUNT)
  t.equal(vhost.queue(SET_ASIDE, OWNER).messageCount, COUNT)
})
