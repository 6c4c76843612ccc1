import t from 'tap'
import { MAX_DELAY_MS } from '../../supervisor/base/durations.ts'
import { DELIVER, delayRoute, delayTopology, deliveryBinding } from '../../supervisor/messaging/delay.ts'
import type { Declaration } from '../../supervisor/messaging/topology.ts'

/** Milliseconds that a message spends in the network as it is declared, and the queue that it comes out for. */
function walk(ms: number, destination: string, bindings: readonly Declaration[]) {
  const topology = [...delayTopology(), ...bindings]
  const { exchange: entry, routingKey } = delayRoute(ms, destination)
  let exchange = entry
  let waited = 0
  for (;;) {
    const out = topology.flatMap((each) => {
      if (each.kind === 'binding' && each.exchange === exchange && matches(each.key, routingKey)) return [each.queue]
      if (each.kind !== 'exchange-binding' || each.source !== exchange || !matches(each.key, routingKey)) return []
      return [`exchange ${each.exchange}`]
    })
    if (exchange === DELIVER) return { waited, out }
    if (out.length !== 1) throw new Error(`${exchange} leads to ${out.length} places`)
    const [next = ''] = out
    const queue = topology.find((each) => each.kind === 'queue' && each.name === next)
    if (queue?.kind === 'queue') waited += queue.options.arguments['x-message-ttl']
    exchange =
      queue?.kind === 'queue' ? queue.options.arguments['x-dead-letter-exchange'] : next.slice('exchange '.length)
  }
}

function matches(pattern: string, key: string): boolean {
  const regex = pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replaceAll('\\.#', '(\\..+)?')
  return new RegExp(`^${regex}$`).test(key)
}

t.test('a message waits for its delay, rounded up to a tick, and comes out for its queue alone', async (t) => {
  const bindings = ['queue', 'fanout.worker', 'worker'].map((queue) => deliveryBinding(queue))
  for (const ms of [1, 100, 101, 1_000, 12_345, 300_000, 86_400_000, MAX_DELAY_MS - 1, MAX_DELAY_MS]) {
    for (const queue of ['queue', 'fanout.worker']) {
      t.strictSame(walk(ms, queue, bindings), { waited: Math.ceil(ms / 100) * 100, out: [queue] }, `${ms} ms, ${queue}`)
    }
  }
})

t.test('a routing key fits, whatever the names', async (t) => {
  t.ok(Buffer.byteLength(delayRoute(1, 'x'.repeat(199)).routingKey) <= 255, 'a short string of AMQP 0-9-1')
})
