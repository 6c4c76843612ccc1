import t from 'tap'
import {
  delayRoute,
  deliverTopology,
  deliveryBinding,
  fanoutDestination,
  suspectDestination,
} from '../../supervisor/messaging/delay.ts'
import { addressTopology, workerTopology, workQueue } from '../../supervisor/messaging/topology.ts'
import { aFanout, aQueue } from '../helpers/messaging.ts'

const work = (queue: string, name = queue, limit = 20) => ({
  kind: 'queue',
  name,
  options: {
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': limit,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': `${queue}.dead`,
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-consumer-timeout': 2_147_483_647,
    },
  },
})
const suspects = (queue: string) => work(queue, `${queue}.suspects`, 1_000)
const dead = (queue: string) => ({
  kind: 'queue',
  name: `${queue}.dead`,
  options: { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 ** 31 - 1 } },
})

t.test('a queue is the same for its senders and its worker', async (t) => {
  const address = aQueue()
  const { name } = address
  t.strictSame(addressTopology(address), [
    ...deliverTopology(),
    dead(name),
    work(name),
    suspects(name),
    deliveryBinding(name),
    deliveryBinding(`${name}.suspects`, suspectDestination(name)),
  ])
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
    ...deliverTopology(),
    dead(queue),
    work(queue),
    suspects(queue),
    deliveryBinding(queue),
    deliveryBinding(`${queue}.suspects`, suspectDestination(queue)),
    { kind: 'binding', queue, exchange: address.name, key: '' },
    deliveryBinding(queue, fanoutDestination(address.name)),
  ])
  t.strictSame(workerTopology('w', { address, subscription: 'instance' }), [
    exchange,
    ...deliverTopology(),
    dead(queue),
  ])
  t.equal(workQueue('w', { address, subscription: 'instance' }), undefined)
})

t.test('a routing key has room for the longest names, suspects included', async (t) => {
  // The longest that an address and a worker may have together.
  const queue = `${'f'.repeat(100)}.${'w'.repeat(98)}`
  for (const destination of [queue, suspectDestination(queue)]) {
    t.ok(Buffer.byteLength(delayRoute(1, destination).routingKey) <= 255)
  }
})
