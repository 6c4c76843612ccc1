import t from 'tap'
import { MAX_TIMER_MS } from '../../supervisor/base/durations.ts'
import { longestTimeout } from '../../supervisor/messaging/consumer-timeout.ts'

t.test('a RabbitMQ before 3.12 takes a message back after half an hour, and no other broker does', async (t) => {
  const short = 29 * 60_000
  for (const version of ['3.10.8', '3.11.28', '2.8.7']) t.equal(longestTimeout({ product: 'RabbitMQ', version }), short)
  for (const version of ['3.12.0', '4.0.5', '10.1']) {
    t.equal(longestTimeout({ product: 'RabbitMQ', version }), MAX_TIMER_MS)
  }
  t.equal(longestTimeout({ product: 'Warren', version: '0.1.0' }), MAX_TIMER_MS)
})
