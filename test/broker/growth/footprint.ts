// What a broker takes at a size that it is made for: how long until it accepts, and how much memory.
import { method } from '../fuzz/bytes.ts'
import { type Driver, declareQueue, type Link, message, QUORUM } from './link.ts'
import { declarations, sendAll } from './with-queues.ts'

export interface Footprint {
  /** With `n` where the number goes. */
  readonly name: string
  readonly n: number
  /** `ms` of its main thread's processor time, or `MB` that are resident at most. */
  readonly unit: 'ms' | 'MB'
  /** What it may be at most with n. */
  readonly limit: number
  measure(driver: Driver, n: number): Promise<number>
}

const MB = 2 ** 20
const BYTES = 256
/** Gets in one write. */
const AT_ONCE = 200

/** How a client takes all of a queue's messages. */
interface Taking {
  readonly prefetchCount?: number
  /** Deliveries that one acknowledgement is for; 0: the broker is told that it gets none. */
  readonly ackEvery: number
}

/** Resolves when all n messages of a queue were delivered. */
async function takeAll(link: Link, queue: string, n: number, { prefetchCount, ackEvery }: Taking): Promise<void> {
  if (prefetchCount !== undefined) await link.ask('basic.qos', 'basic.qos-ok', { prefetchCount })
  await new Promise<void>((resolve, reject) => {
    let received = 0
    link.onDelivery = function onDelivery({ tag }) {
      received++
      if (ackEvery > 0 && (received % ackEvery === 0 || received === n)) {
        link.client.send(method(1, 'basic.ack', { deliveryTag: tag, multiple: true }))
      }
      if (received === n) resolve()
    }
    void link.client.closed.then(() => reject(new Error(`Expected ${n} deliveries, found ${received}`)))
    link.client.send(method(1, 'basic.consume', { queue, noAck: ackEvery === 0 }))
  })
  await link.synced()
}

/** Gets so many of a queue's messages, and acknowledges them. */
async function getAll(link: Link, queue: string, n: number): Promise<void> {
  for (let done = 0; done < n; done += AT_ONCE) {
    link.client.send(...Array.from({ length: AT_ONCE }, () => method(1, 'basic.get', { queue })))
    await link.ask('basic.qos', 'basic.qos-ok')
    link.client.send(method(1, 'basic.ack', { deliveryTag: BigInt(done + AT_ONCE), multiple: true }))
  }
  await link.synced()
}

/** The most that is resident while n messages come, wait, and are taken. */
function waiting(
  name: string,
  type: 'quorum' | 'classic',
  take: (link: Link, queue: string, n: number) => Promise<void>,
  limit = 200,
): Footprint {
  return {
    name: `n messages of ${BYTES} bytes wait in a ${type} queue, and ${name}`,
    n: 1_000_000,
    unit: 'MB',
    limit,
    async measure(driver, n) {
      const link = await driver.open()
      if (type === 'quorum') await declareQueue(link, 'waiting')
      else await link.ask('queue.declare', 'queue.declare-ok', { queue: 'waiting', durable: true })
      const frames = message({ routingKey: 'waiting', size: BYTES })
      await link.publish(n, () => frames)
      await take(link, 'waiting', n)
      return (await driver.broker.report()).peak / MB
    },
  }
}

/** Durable quorum queues of two messages, one of which was taken; every other one of those was acknowledged. */
async function usedQueues(driver: Driver, n: number): Promise<Link> {
  const link = await driver.open()
  const name = (i: number) => `queue-${i}`
  await sendAll(link, declarations(n, 'queue', { durable: true }, [QUORUM]))
  await link.publish(2 * n, (i) => message({ routingKey: name(i >> 1) }))
  const use = function* () {
    for (let i = 0; i < n; i++) {
      yield method(1, 'basic.get', { queue: name(i) })
      if (i % 2 === 1) yield method(1, 'basic.ack', { deliveryTag: BigInt(i + 1) })
    }
  }
  await sendAll(link, use())
  return link
}

export const FOOTPRINTS: readonly Footprint[] = [
  {
    name: 'start with n queues of two messages, some of them taken, until it accepts',
    n: 20_000,
    unit: 'ms',
    limit: 1_000,
    async measure(driver, n) {
      await usedQueues(driver, n)
      await driver.restart()
      return (await driver.broker.report()).started.cpu
    },
  },
  {
    name: 'n queues in use',
    n: 20_000,
    unit: 'MB',
    limit: 250,
    async measure(driver, n) {
      await usedQueues(driver, n)
      return (await driver.broker.report(true)).rss / MB
    },
  },
  waiting('a consumer takes 250 at a time', 'quorum', (link, queue, n) =>
    takeAll(link, queue, n, { prefetchCount: 250, ackEvery: 50 }),
  ),
  waiting('a consumer without a prefetch acknowledges each 1,000', 'quorum', (link, queue, n) =>
    takeAll(link, queue, n, { ackEvery: 1_000 }),
  ),
  // It has 65,535 at a time, and what is read of the store between two commits is in memory until the next one.
  waiting(
    'a consumer without a prefetch acknowledges each 50,000',
    'classic',
    (link, queue, n) => takeAll(link, queue, n, { ackEvery: 50_000 }),
    300,
  ),
  waiting('a consumer acknowledges nothing', 'classic', (link, queue, n) => takeAll(link, queue, n, { ackEvery: 0 })),
  waiting('are got one by one', 'classic', getAll),
]
