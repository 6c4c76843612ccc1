import t from 'tap'
import { addressTopology, workerTopology, workQueue } from '../../supervisor/messaging/topology.ts'
import { aFanout, aQueue } from '../helpers/messaging.ts'

const work = (queue: string) => ({
  kind: 'queue',
  name: queue,
  options: {
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': 20,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': `${queue}.dead`,
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
  },
})
const dead = (queue: string) => ({
  kind: 'queue',
  name: `${queue}.dead`,
  options: { durable: true, arguments: { 'x-queue-type': 'quorum' } },
})

t.test('a queue is the same for its senders and its worker', async (t) => {
  const address = aQueue()
  t.strictSame(addressTopology(address), [dead(address.name), work(address.name)])
  t.strictSame(workerTopology('w', { address, subscription: 'group' }), addressTopology(address))
  t.equal(workQueue('w', { address, subscription: 'group' }), address.name)
})

t.test("a fanout's subscription is a bound queue named after its worker", async (t) => {
  const address = aFanout()
  const queue = `${address.name}.w`
  const exchange = { kind: 'exchange', name: address.name, type: 'fanout', options: { durable: true } }
  t.strictSame(addressTopology(address), [exchange])
  t.strictSame(workerTopology('w', { address, subscription: 'group' }), [
    exchange,
    dead(queue),
    work(queue),
    { kind: 'binding', queue, exchange: address.name },
  ])
  t.strictSame(workerTopology('w', { address, subscription: 'instance' }), [exchange, dead(queue)])
  t.equal(workQueue('w', { address, subscription: 'instance' }), undefined)
})
