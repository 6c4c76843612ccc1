// What a client settles at once may be any number of messages, and is done in steps.
import t from 'tap'
import { createSettling } from '../../../supervisor/broker/protocol/settling.ts'
import type { Queue } from '../../../supervisor/broker/queues/queue.ts'
import type { Entry } from '../../../supervisor/broker/store/log.ts'
import { openWire } from '../differential/wire.ts'
import { openSession } from '../session.ts'

/** As much of a queue as there is to settling, which notes what is done. */
function fakeQueue() {
  const done: string[] = []
  const of = (entries: readonly Entry[]) => entries.map(({ position }) => position).join(' ')
  const queue = {
    isOpen: () => true,
    ack: (entry: Entry) => void done.push(`ack ${of([entry])}`),
    requeue: (entries: readonly Entry[]) => void done.push(`requeue ${of(entries)}`),
    deliver() {},
  } as unknown as Queue
  return { queue, take: () => done.splice(0) }
}

const entry = (position: number) => ({ position }) as Entry

t.test('an acknowledgement of all is of what was delivered before it', (t) => {
  const { queue, take } = fakeQueue()
  const settling = createSettling()
  const add = () => {
    const tag = settling.nextTag()
    settling.add(tag, { queue, entry: entry(tag), consumer: undefined })
  }
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
  const add = () => {
    const tag = settling.nextTag()
    settling.add(tag, { queue, entry: entry(tag), consumer: undefined })
  }
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
