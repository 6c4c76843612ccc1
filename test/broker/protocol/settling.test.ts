// What a client settles at once may be any number of messages, and is done in steps.
import t from 'tap'
import { createSettling, type Settling } from '../../../supervisor/broker/protocol/settling.ts'
import type { Consumer } from '../../../supervisor/broker/queues/consumers.ts'
import type { Queue } from '../../../supervisor/broker/queues/queue.ts'
import type { Entry } from '../../../supervisor/broker/store/log.ts'
import { openWire } from '../differential/wire.ts'
import { openSession } from '../session.ts'
import { consumer, OWNER, startVhost } from '../vhost/helpers.ts'

/** As much of a queue as there is to settling, which notes what is done. */
function fakeQueue() {
  const done: string[] = []
  const of = (entries: readonly Entry[]) => entries.map(({ position }) => position).join(' ')
  const queue = {
    isOpen: () => true,
    ack: (entry: Entry) => void done.push(`ack ${of([entry])}`),
    holdBack: () => () => {},
    *requeue(entries: readonly Entry[]) {
      done.push(`requeue ${of(entries)}`)
      yield
    },
    deliver() {},
  } as unknown as Queue
  return { queue, take: () => done.splice(0) }
}

const entry = (position: number) => ({ position }) as Entry

/** Notes one more message of the queue as delivered: its position is its tag. */
function deliver(settling: Settling, queue: Queue): void {
  const tag = settling.nextTag()
  settling.add(tag, { queue, entry: entry(tag), consumer: undefined })
}

t.test('an acknowledgement of all is of what was delivered before it', (t) => {
  const { queue, take } = fakeQueue()
  const settling = createSettling()
  const add = () => deliver(settling, queue)
  for (let i = 0; i < 3; i++) add()
  const steps = settling.ack(0, true)
  steps.next()
  add()
  for (const _ of steps);
  t.same(take(), ['ack 1', 'ack 2', 'ack 3'])
  for (const _ of settling.close());
  t.same(take(), ['requeue 4'])
  t.end()
})

t.test('what is delivered during a rollback stays, behind what comes back', (t) => {
  const { queue, take } = fakeQueue()
  const settling = createSettling()
  const add = () => deliver(settling, queue)
  settling.txSelect()
  for (let i = 0; i < 4; i++) add()
  for (const tag of [4, 2]) for (const _ of settling.ack(tag, false));
  const steps = settling.rollback()
  steps.next()
  add()
  for (const _ of steps);
  for (const _ of settling.ack(3, true));
  for (const _ of settling.commit());
  t.same(take(), ['ack 1', 'ack 2', 'ack 3'])
  for (const _ of settling.requeueAll());
  t.same(take(), ['requeue 4 5'])
  t.end()
})

t.test('what is acknowledged when the connection ends is acknowledged, however much it is', async (t) => {
  const { wire, broker } = await openSession(t)
  const COUNT = 30_000
  await wire.request('QueueDeclare', 1, { queue: 'q' })
  for (let i = 0; i < COUNT; i++) wire.publish(1, { routingKey: 'q' })
  await wire.request('BasicConsume', 1, { queue: 'q', consumerTag: 'c' })
  let tag = 0
  await wire.arrival(({ name, fields }) => {
    if (name === 'BasicDeliver') tag = Math.max(tag, fields.deliveryTag as number)
    return tag === COUNT
  })
  wire.send('BasicAck', 1, { deliveryTag: COUNT - 1, multiple: true })
  wire.send('ConnectionClose', 0, { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
  await wire.arrival(({ name }) => name === 'ConnectionCloseOk')
  const other = await openWire(broker.url)
  t.teardown(other.close)
  await other.request('ChannelOpen', 1)
  const { fields } = await other.request('QueueDeclare', 1, { queue: 'q', passive: true })
  t.match(fields, { messageCount: 1, consumerCount: 0 }, 'the answer to the close comes when the rest is back')
})

t.test('what is given back is there before anything behind that is handled', async (t) => {
  const { vhost, declare, publish } = await startVhost(t, { turnMs: 0.01 })
  const COUNT = 1_000
  declare('queue')
  await publish('', 'queue', COUNT)
  const queue = vhost.queue('queue', OWNER)
  const settling = createSettling()
  for (let entry = queue.get(false); entry; entry = queue.get(false)) {
    settling.add(settling.nextTag(), { queue, entry, consumer: undefined })
  }
  for (const _ of settling.nack(0, true, true));
  t.throws(
    () => vhost.deleteQueue('queue', { ifUnused: false, ifEmpty: true }, OWNER),
    { code: 406 },
    'it is not empty',
  )
  t.equal(queue.purge(), COUNT)
})

for (const type of ['classic', 'quorum']) {
  t.test(`nobody gets what is behind messages on their way back to a ${type} queue`, async (t) => {
    const { vhost, declare, publish } = await startVhost(t)
    declare('queue', { 'x-queue-type': type })
    await publish('', 'queue', 8)
    const queue = vhost.queue('queue', OWNER)
    const settling = createSettling()
    const positions: number[] = []
    const one: Consumer = {
      ...consumer(function deliver(entry) {
        one.unacked++
        positions.push(entry.position)
        settling.add(settling.nextTag(), { queue, entry, consumer: one })
      }),
      canTake: () => one.unacked < 4,
    }
    queue.addConsumer(one)
    // As a message does that comes meanwhile.
    for (const _ of settling.nack(0, true, true)) queue.deliver()
    t.equal(positions.length, 8)
    t.same(positions.slice(4), positions.slice(0, 4))
  })
}
