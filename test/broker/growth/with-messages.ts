// Operations on one queue's messages.
import { type Field, method, octet, short, shortstr } from '../fuzz/bytes.ts'
import { string } from '../fuzz/values.ts'
import { type Driver, declareQueue, type Link, message } from './link.ts'
import type { Operation } from './operation.ts'

const BYTES = 256
/** As Warren's consumers have it. */
const [PREFETCH, ACK_EVERY] = [250, 50]

async function filled(driver: Driver, queue: string, n: number, args: readonly Field[] = []): Promise<Link> {
  const link = await driver.open()
  await declareQueue(link, queue, args)
  await fill(link, queue, n)
  return link
}

async function fill(link: Link, queue: string, n: number): Promise<void> {
  const frames = message({ routingKey: queue, size: BYTES })
  await link.publish(n, () => frames)
}

/** Has all of a queue's messages delivered, without acknowledging one. @returns the highest delivery tag */
async function takeAll(link: Link, queue: string, n: number): Promise<bigint> {
  // Without one, a consumer of a quorum queue gets 2,000 at a time.
  await link.ask('basic.qos', 'basic.qos-ok', { prefetchCount: 65_535 })
  return new Promise((resolve, reject) => {
    let received = 0
    link.onDelivery = ({ tag }) => void (++received === n && resolve(tag))
    void link.client.closed.then(() => reject(new Error(`Expected ${n} deliveries, found ${received}`)))
    link.client.send(method(1, 'basic.consume', { queue, consumerTag: 'all' }))
  })
}

const deadLetter = (target: string, isAtLeastOnce: boolean): Field[] => [
  string('x-dead-letter-exchange', ''),
  string('x-dead-letter-routing-key', target),
  ...(isAtLeastOnce ? [string('x-dead-letter-strategy', 'at-least-once'), string('x-overflow', 'reject-publish')] : []),
]

const LIMITLESS: Field = { name: Buffer.from('x-delivery-limit'), tag: 'I', value: Buffer.from([0x7f, 255, 255, 255]) }

/** The message's properties: persistent, and with a millisecond to live. */
const SHORT_LIVED = Buffer.concat([short(0x1100), octet(2), shortstr('1')])

async function expiring(driver: Driver, n: number, id: string, isAtLeastOnce: boolean): Promise<() => Promise<void>> {
  const link = await driver.open()
  const [queue, dead] = [`${id}-waiting`, `${id}-dead`]
  await declareQueue(link, dead)
  await declareQueue(link, queue, deadLetter(dead, isAtLeastOnce))
  const [first, other] = [undefined, SHORT_LIVED].map((properties) =>
    message({ routingKey: queue, size: BYTES, ...(properties && { properties }) }),
  ) as [Buffer, Buffer]
  // Messages expire at the head alone: as long as the first one is there, they wait for it, and then expire together.
  await link.publish(n + 1, (i) => (i === 0 ? first : other))
  return async function expire() {
    await link.ask('basic.qos', 'basic.qos-ok')
    link.client.send(method(1, 'basic.get', { queue, noAck: true }))
    await link.holds(dead, n)
    await link.synced()
  }
}

/** Properties of a message that need not be on disk. */
const TRANSIENT = Buffer.alloc(2)

export const withMessages: readonly Operation[] = [
  {
    name: 'publish n, confirmed',
    sizes: [4_000, 1_000_000],
    async prepare(driver, n, id) {
      const link = await driver.open()
      await declareQueue(link, id)
      const frames = message({ routingKey: id, size: BYTES })
      return () => link.publish(n, () => frames)
    },
  },
  {
    name: `consume n, ${PREFETCH} at a time`,
    sizes: [4_000, 1_000_000],
    async prepare(driver, n, id) {
      const link = await filled(driver, id, n)
      return async function consume() {
        await link.ask('basic.qos', 'basic.qos-ok', { prefetchCount: PREFETCH })
        await new Promise<void>((resolve) => {
          let received = 0
          link.onDelivery = ({ tag }) => {
            if (++received % ACK_EVERY === 0 || received === n)
              link.client.send(method(1, 'basic.ack', { deliveryTag: tag, multiple: true }))
            if (received === n) resolve()
          }
          link.client.send(method(1, 'basic.consume', { queue: id }))
        })
        await link.synced()
      }
    },
  },
  {
    name: 'n of a classic queue delivered without a prefetch, the consumer goes',
    sizes: [16_250, 1_000_000],
    async prepare(driver, n, id) {
      const [link, other] = [await driver.open(), await driver.open()]
      await link.ask('queue.declare', 'queue.declare-ok', { queue: id, durable: true })
      await fill(link, id, n)
      return async function takeAndGo() {
        let received = 0
        const { client } = link
        // What it is given at most, if not everything.
        link.onDelivery = () => void received++
        client.send(method(1, 'basic.consume', { queue: id }))
        for (let before = -1; before !== received; await other.synced()) {
          before = received
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        await link.cut()
        await other.holds(id, n)
        await other.synced()
      }
    },
  },
  {
    name: 'acknowledge n at once',
    sizes: [16_250, 65_000],
    async prepare(driver, n, id) {
      const link = await filled(driver, id, n)
      const deliveryTag = await takeAll(link, id, n)
      return async function acknowledge() {
        link.client.send(method(1, 'basic.ack', { deliveryTag, multiple: true }))
        await link.synced()
      }
    },
  },
  {
    name: 'n that come back are delivered to 50 other consumers',
    sizes: [16_250, 65_000],
    async prepare(driver, n, id) {
      const link = await driver.open()
      await link.ask('queue.declare', 'queue.declare-ok', { queue: id })
      const frames = message({ routingKey: id, size: 16, properties: TRANSIENT })
      await link.publish(n, () => frames)
      await takeAll(link, id, n)
      let received = 0
      let onAll = () => {}
      for (let i = 0; i < 50; i++) {
        const other = await driver.open()
        other.onDelivery = () => void (++received === n && onAll())
        await other.ask('basic.consume', 'basic.consume-ok', { queue: id, noAck: true })
      }
      return async function comeBack() {
        const all = new Promise<void>((resolve) => {
          onAll = resolve
        })
        await link.cut()
        await all
      }
    },
  },
  {
    name: 'requeue n at once',
    sizes: [16_250, 65_000],
    async prepare(driver, n, id) {
      const link = await filled(driver, id, n, [LIMITLESS])
      const deliveryTag = await takeAll(link, id, n)
      await link.ask('basic.cancel', 'basic.cancel-ok', { consumerTag: 'all' })
      return async function requeue() {
        link.client.send(method(1, 'basic.nack', { deliveryTag, multiple: true, requeue: true }))
        await link.holds(id, n)
        await link.synced()
      }
    },
  },
  {
    name: 'reject n, dead-lettered at least once',
    sizes: [5_000, 65_000],
    async prepare(driver, n, id) {
      const setup = await driver.open()
      await declareQueue(setup, `${id}-dead`)
      const link = await filled(driver, id, n, deadLetter(`${id}-dead`, true))
      const deliveryTag = await takeAll(link, id, n)
      return async function reject() {
        link.client.send(method(1, 'basic.nack', { deliveryTag, multiple: true, requeue: false }))
        await link.holds(`${id}-dead`, n)
        await link.synced()
      }
    },
  },
  {
    name: 'n expire together, dead-lettered',
    sizes: [2_000, 1_000_000],
    prepare: (driver, n, id) => expiring(driver, n, id, false),
  },
  {
    name: 'n expire together, dead-lettered at least once',
    sizes: [2_000, 1_000_000],
    prepare: (driver, n, id) => expiring(driver, n, id, true),
  },
  {
    name: 'purge n',
    sizes: [10_000, 1_000_000],
    async prepare(driver, n, id) {
      const link = await filled(driver, id, n)
      return () => link.ask('queue.purge', 'queue.purge-ok', { queue: id })
    },
  },
  {
    name: 'delete a queue of n',
    sizes: [10_000, 1_000_000],
    async prepare(driver, n, id) {
      const link = await filled(driver, id, n)
      return () => link.ask('queue.delete', 'queue.delete-ok', { queue: id })
    },
  },
]
