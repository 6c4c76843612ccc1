import t from 'tap'
import { encodeMethod } from '../../supervisor/amqp/methods.ts'
import { openLink } from '../../supervisor/messaging/link.ts'
import type { Delivered } from '../../supervisor/messaging/link-channel.ts'
import { collect } from '../helpers/collect.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { aQueue, bench } from '../helpers/messaging.ts'
import { startScriptedBroker } from '../helpers/scripted-broker.ts'
import { until } from '../helpers/until.ts'

const closing = { replyText: 'CONNECTION_FORCED - over', classId: 0, methodId: 0 }
const forced = encodeMethod(0, { name: 'connection.close', replyCode: 320, ...closing })
const failed = encodeMethod(0, { name: 'connection.close', replyCode: 541, ...closing })
const refused = (channel: number) => encodeMethod(channel, { name: 'channel.close', replyCode: 406, ...closing })

// tap fails the test for an exception or a rejection that nobody handles.
for (const [first, what, behind] of [
  [4, 'connection.close', () => forced],
  [5, 'connection.close for an error', () => failed],
  [6, 'channel.close', refused],
] as const) {
  t.test(`${what} right behind any answer, in one piece: the sessions come back`, async (t) => {
    for (let number = first; number < 40; number += 3) {
      const broker = await startScriptedBroker(t)
      let isDone = false
      broker.behind = (answered) => {
        if (isDone || answered.number < number || answered.channel === 0) return undefined
        isDone = true
        return behind(answered.channel)
      }
      const { client, consumer } = bench(t, broker.url)
      const [sender, worker] = await Promise.all([
        client({ wait: false }),
        consumer({ address: aQueue(), wait: false }),
      ])
      // The delay network is the most that a session asks for: more than there are rounds here.
      sender.onState(() => sender.prepareRetries())
      await until(() => isDone, { what: 'the end behind an answer' })
      await until(() => sender.state.status === 'ready' && worker.state.status === 'ready', { what: 'both again' })
      await Promise.all([sender.close(), worker.close()])
    }
    t.pass()
  })
}

t.test('a connection that is lost as soon as it is ready is tried again more and more rarely', async (t) => {
  const broker = await startScriptedBroker(t)
  // Its last answer before it is ready.
  broker.behind = ({ method, write }) => {
    if (method === 'confirm.select-ok') setImmediate(() => setTimeout(write, 10, forced))
    return undefined
  }
  const { client } = bench(t, broker.url)
  const sender = await client({ wait: false })
  const at: number[] = []
  await until(
    () => {
      if (broker.connections > at.length) at.push(performance.now())
      return at.length >= 6
    },
    { what: 'six connections', interval: 1 },
  )
  const gaps = at.slice(1).map((time, index) => time - (at[index] as number))
  // 50 to 100 ms, then 100 to 200, and so on.
  t.ok((gaps[4] as number) > 500, `${gaps.map(Math.round)} ms`)
  await sender.close()
})

t.test('what is asked of a link that is lost rejects, and what nobody awaits ends nothing', async (t) => {
  const broker = await startScriptedBroker(t)
  const link = await openLink({ url: broker.url, name: 'test' })
  const channel = await link.channel()
  link.fail(new Error('gone'))
  for (const work of [
    () => link.channel(),
    () => link.confirmChannel(),
    () => link.looseChannel(() => {}),
    () => link.withChannel(async () => {}),
    () => link.withConfirmChannel(async () => {}),
    () => channel.checkQueue('q'),
    () => channel.consume('q', () => {}),
    () => channel.prefetch(1),
    () => channel.close(),
  ]) {
    void work()
    await t.rejects(work(), { message: 'gone' })
  }
  channel.ack({ fields: { deliveryTag: 1 } })
  channel.nack({ fields: { deliveryTag: 1 } })
  await link.close()
})

t.test('a channel whose use fails for a reason of its own is closed: a link has only so many', async (t) => {
  const { url } = await startEmbedded(t)
  const link = await openLink({ url: `${url}?channelMax=3`, name: 'a test' })
  t.teardown(() => link.close())
  const ownReason = async () => {
    throw new Error('for a reason of its own')
  }
  for (let i = 0; i < 10; i++) await t.rejects(link.withChannel(ownReason), /of its own/)
  for (let i = 0; i < 10; i++) await t.rejects(link.withConfirmChannel(ownReason), /of its own/)
  const missing = link.withChannel((channel) => channel.checkQueue('none of this name'))
  await t.rejects(missing, /NOT_FOUND/, 'one that the broker has ended says why')
  t.notOk(link.lost.aborted)
})

t.test('an answer to a call whose correlation id is no text may be as large as any', async (t) => {
  const { url } = await startEmbedded(t)
  const link = await openLink({ url, name: 'a test' })
  t.teardown(() => link.close())
  const [receiving, sending] = [await link.channel(), await link.confirmChannel()]
  const { queue } = await receiving.assertQueue('', { exclusive: true })
  const received = collect<Delivered | null>('answers')
  await receiving.consume(queue, received.push, { noAck: true })
  const correlationId = Buffer.alloc(16, 0xe9)
  for (const size of [0, 100, 131_064, 131_065, 400_000]) {
    const publication = { exchange: '', routingKey: queue, properties: { correlationId, messageId: 'm', headers: {} } }
    await new Promise<void>((resolve, reject) => {
      sending.send(publication, Buffer.alloc(size, 'x'), (error) => (error ? reject(error) : resolve()))
    })
  }
  for (const message of await received.reach(5)) {
    t.match(message?.properties, { correlationId, messageId: 'm' })
    t.ok(message?.content.every((byte) => byte === 0x78))
  }
  t.same(
    received.items.map((message) => message?.content.length),
    [0, 100, 131_064, 131_065, 400_000],
  )
})
