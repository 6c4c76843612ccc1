// Priorities of quorum queues as in RabbitMQ 4.3.6, measured: 32 strict ones without an argument.
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { until } from '../../helpers/until.ts'
import type { Fields } from '../differential/amqplib-codec.ts'
import type { Arrival } from '../differential/wire.ts'
import { openSession } from '../session.ts'

t.test('the highest priority first, 4 where there is none, 31 at most, equal ones in their order', async (t) => {
  const { publish, drain } = await session(t)
  for (const priority of [undefined, 0, 31, 4, 40, 5, 255, 3, undefined]) publish(priority)
  t.same(await drain('q'), ['31', '40', '255', '5', '-', '4', '-', '3', '0'])
})

t.test('what comes back goes first, in the order in which it came, whatever its priority', async (t) => {
  const { publish, get, give, drain } = await session(t)
  for (const priority of [1, 9, 5]) publish(priority)
  const [nine, five, one] = [await get(), await get(), await get()]
  publish(20)
  for (const taken of [one, nine, five]) give(taken)
  t.same(await drain('q'), ['1', '9', '5', '20'])
})

t.test('the order outlives a restart', async (t) => {
  const folder = temporaryFolder(t)
  const first = await session(t, {}, folder)
  for (const priority of [undefined, 2, 7, undefined, 7]) first.publish(priority)
  await first.get()
  await first.end()
  const second = await session(t, {}, folder)
  second.publish(7)
  second.publish(undefined)
  t.same(await second.drain('q'), ['7', '7', '7', '-', '-', '-', '2'])
})

t.test('each priority expires at its head, a dead letter keeps its priority, and the head is dropped', async (t) => {
  const { wire, publish, drain } = await session(t, { 'x-max-length': 3 })
  publish(9)
  publish(2, '1')
  publish(undefined, '1')
  await until(async () => (await wire.request('QueueDeclare', 1, PASSIVE)).fields.messageCount === 2, {
    what: 'dead letters',
  })
  t.same(await drain('dead'), ['-', '2'])
  for (const priority of [3, 6, 5]) publish(priority)
  t.same(await drain('q'), ['6', '5', '3'], 'without the one of the highest priority')
  t.same(await drain('dead'), ['9'])
})

t.test('a classic queue has no priorities unless it asks for some, and then 0 is the default', async (t) => {
  const { publish, drain } = await session(t, { 'x-queue-type': 'classic', 'x-max-priority': 3 })
  for (const priority of [undefined, 1, 9, 0, 2]) publish(priority)
  t.same(await drain('q'), ['9', '2', '1', '-', '0'])
})

const PASSIVE = { queue: 'dead', passive: true }

/** A broker with a queue `q`, whose dead letters go to `dead`. */
async function session(t: Test, args: Fields = {}, folder?: string) {
  const { wire, end } = await openSession(t, folder)
  const quorum = { 'x-queue-type': 'quorum' }
  await wire.request('QueueDeclare', 1, { queue: 'dead', durable: true, arguments: quorum })
  const deadLetters = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }
  await wire.request('QueueDeclare', 1, {
    queue: 'q',
    durable: true,
    arguments: { ...quorum, ...deadLetters, ...args },
  })

  return {
    wire,
    end,
    /** A message whose body says its priority. */
    publish(priority: number | undefined, expiration?: string): void {
      const properties = { ...(priority === undefined ? {} : { priority }), ...(expiration ? { expiration } : {}) }
      wire.publish(1, { routingKey: 'q' }, properties, Buffer.from(String(priority ?? '-')))
    },
    get: () => wire.request('BasicGet', 1, { queue: 'q' }),
    give: ({ fields }: Arrival) => wire.send('BasicNack', 1, { deliveryTag: fields.deliveryTag, requeue: true }),
    async drain(queue: string): Promise<string[]> {
      const bodies: string[] = []
      for (;;) {
        const { name, body } = await wire.request('BasicGet', 1, { queue, noAck: true })
        if (name !== 'BasicGetOk') return bodies
        bodies.push(String(body))
      }
    },
  }
}
