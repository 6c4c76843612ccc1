import t, { type Test } from 'tap'
import { SET_ASIDE } from '../../../supervisor/base/set-aside.ts'
import { createConsuming } from '../../../supervisor/broker/protocol/consuming.ts'
import type { Wire } from '../../../supervisor/broker/protocol/context.ts'
import { createSettling } from '../../../supervisor/broker/protocol/settling.ts'
import type { Vhost } from '../../../supervisor/broker/vhost/vhost.ts'
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
  const { wire, frames } = fakeWire(t, vhost)
  const consuming = createConsuming(1, wire, createSettling())
  const most = mostInOneTurn(() => queue.messageCount, 0)
  consuming.get({ name: 'basic.get', queue: 'q', noAck: false }, 'q')
  t.ok((await most) < COUNT / 10, `${await most} in one turn at most`)
  t.equal(frames.length, 1)
  t.ok(frames[0]?.includes('good'))
  t.equal(errors, COUNT)
  t.equal(vhost.queue(SET_ASIDE, OWNER).messageCount, COUNT)
})

for (const [what, change] of [
  ['that its client has cancelled', 'cancelled'],
  ['whose channel is closing', 'closing'],
] as const) {
  t.test(`a consumer ${what} is not told that its queue is gone`, async (t) => {
    const { vhost, declare } = await startVhost(t, { turnMs: 0.001 })
    for (const name of ['q', 'other']) declare(name)
    const { wire, frames } = fakeWire(t, vhost)
    const consuming = createConsuming(1, wire, createSettling())
    function consume(queue: string, consumerTag: string): void {
      const flags = { noLocal: false, noAck: false, exclusive: false, noWait: true }
      consuming.consume({ name: 'basic.consume', queue, consumerTag, ...flags, arguments: {} }, queue)
    }
    // Those before the last one are told in turns before its own.
    for (const tag of ['first', 'second', 'last']) consume('q', tag)
    const { cleared } = vhost.deleteQueue('q', { ifUnused: false, ifEmpty: false }, OWNER)
    if (change === 'cancelled') {
      consuming.cancel({ name: 'basic.cancel', consumerTag: 'last', noWait: true })
      // Another one may have its tag.
      consume('other', 'last')
    } else consuming.stop()
    await cleared
    const told = (tag: string) => frames.some((frame) => frame.includes(tag))
    t.match([told('first'), told('last')], [true, false])
    for (const _ of consuming.close());
    t.equal(vhost.queue('other', OWNER).consumerCount, 0, 'nor is one with its tag forgotten')
  })
}

function fakeWire(t: Test, vhost: Vhost): { wire: Wire; frames: Buffer[] } {
  const frames: Buffer[] = []
  const failed = (error: unknown) => void t.fail(String(error))
  const wire = {
    context: { vhost, replies: new Map(), limits: { consumers: 10 } },
    owner: OWNER,
    frameMax: 131_072,
    can: () => true,
    isFull: () => false,
    write: (frame: Buffer) => void frames.push(frame),
    hold: (until: Promise<void>) => void until.catch(failed),
    onHandedOut() {},
    fail: failed,
  }
  return { wire: wire as unknown as Wire, frames }
}
