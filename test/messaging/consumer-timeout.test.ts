import t from 'tap'
import { MAX_TIMER_MS } from '../../supervisor/base/durations.ts'
import { longestTimeout } from '../../supervisor/messaging/consumer-timeout.ts'
import { rabbitmqRequired } from '../helpers/broker.ts'
import { aQueue, bench } from '../helpers/messaging.ts'
import { rabbitmq43 } from '../helpers/other-rabbitmq.ts'
import { runRabbitmqctl } from '../helpers/rabbitmq-admin.ts'
import { until } from '../helpers/until.ts'

t.test('a RabbitMQ before 3.12 takes a message back after half an hour, and no other broker does', async (t) => {
  const short = 29 * 60_000
  for (const version of ['3.10.8', '3.11.28', '2.8.7']) t.equal(longestTimeout({ product: 'RabbitMQ', version }), short)
  for (const version of ['3.12.0', '4.0.5', '10.1']) {
    t.equal(longestTimeout({ product: 'RabbitMQ', version }), MAX_TIMER_MS)
  }
  t.equal(longestTimeout({ product: 'Warren', version: '0.1.0' }), MAX_TIMER_MS)
})

const skip = rabbitmqRequired() ? false : rabbitmq43.skip
t.test(
  'a consumer that the broker cancels at its timeout: the log says so, and the message comes again',
  { skip, timeout: 120_000 },
  async (t) => {
    const { url, environment } = await rabbitmq43.start(t)
    // The shorter one of an operator's policy and the queue's argument counts.
    const policy = ['set_policy', '--apply-to', 'quorum_queues', 'short', '.*', '{"consumer-timeout": 1000}']
    await runRabbitmqctl(environment, ...policy)
    const { client, consumer, lines } = bench(t, url)
    const address = aQueue()
    await (await client()).bus().send(address, { n: 1 })
    const worker = await consumer({ address })
    const [held, again] = await worker.received.reach(2, 60_000)
    t.equal(again?.id, held?.id)
    again?.ack()
    const isTold = () =>
      lines.items.some(({ reason }) => /the broker cancelled the consumer.* consumer timeout/.test(`${reason}`))
    await until(isTold, { what: 'the cause in the log' })
    t.pass('told')
  },
)
