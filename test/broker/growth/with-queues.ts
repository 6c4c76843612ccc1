// Operations on many queues, exchanges and bindings.
import { type Field, method } from '../fuzz/bytes.ts'
import { integer, string } from '../fuzz/values.ts'
import { type Driver, declareQueue, type Link, message, QUORUM } from './link.ts'
import type { Operation } from './operation.ts'

const BINDINGS = 10
/** Methods in one write. */
const AT_ONCE = 500

/** Sends many methods, and resolves when the broker has handled them. */
export async function sendAll(link: Link, frames: Iterable<Buffer>): Promise<void> {
  let waiting: Buffer[] = []
  for (const frame of frames) {
    waiting.push(frame)
    if (waiting.length < AT_ONCE) continue
    link.client.send(...waiting)
    waiting = []
    await link.ask('basic.qos', 'basic.qos-ok')
  }
  link.client.send(...waiting)
  await link.synced()
}

export function* declarations(n: number, id: string, flags: Record<string, boolean>, args: readonly Field[] = []) {
  for (let i = 0; i < n; i++) {
    yield method(1, 'queue.declare', { queue: `${id}-${i}`, ...flags, noWait: true, arguments: args })
  }
}

function* bindings(n: number, id: string, each: number) {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < each; k++) {
      const places = { queue: `${id}-${i}`, exchange: id, routingKey: `${k}.${i}` }
      yield method(1, 'queue.bind', { ...places, noWait: true })
    }
  }
}

async function declareExchange(link: Link, exchange: string, type: string): Promise<void> {
  await link.ask('exchange.declare', 'exchange.declare-ok', { exchange, type, durable: true })
}

/** Durable quorum queues, each bound. */
export async function boundQueues(driver: Driver, n: number, id: string, type: string, each: number): Promise<Link> {
  const link = await driver.open()
  await declareExchange(link, id, type)
  await sendAll(link, declarations(n, id, { durable: true }, [QUORUM]))
  await sendAll(link, bindings(n, id, each))
  return link
}

export const withQueues: readonly Operation[] = [
  {
    name: 'declare and bind n queues, pipelined',
    sizes: [250, 20_000],
    async prepare(driver, n, id) {
      const link = await driver.open()
      await declareExchange(link, id, 'topic')
      return async function declareAll() {
        await sendAll(link, declarations(n, id, { durable: true }, [QUORUM]))
        await sendAll(link, bindings(n, id, 1))
      }
    },
  },
  {
    name: '10 messages of 4 kB to a fan-out of n queues',
    sizes: [1_000, 20_000],
    async prepare(driver, n, id) {
      const link = await boundQueues(driver, n, id, 'fanout', 1)
      const frames = message({ exchange: id, size: 4_096 })
      return () => link.publish(10, () => frames)
    },
  },
  {
    name: 'n messages of 100 bytes to a fan-out of 100 queues, many in one write',
    sizes: [100, 2_000],
    // The first ones stay in memory, and cost less.
    growth: 3.6,
    async prepare(driver, n, id) {
      const link = await boundQueues(driver, 100, id, 'fanout', 1)
      const frames = message({ exchange: id })
      return () => link.publish(n, () => frames)
    },
  },
  {
    name: `delete n queues with ${BINDINGS} bindings each`,
    sizes: [150, 20_000],
    async prepare(driver, n, id) {
      const link = await boundQueues(driver, n, id, 'topic', BINDINGS)
      return async function deleteAll() {
        await sendAll(
          link,
          Array.from({ length: n }, (_, i) => method(1, 'queue.delete', { queue: `${id}-${i}`, noWait: true })),
        )
      }
    },
  },
  {
    name: `a connection with n exclusive queues, ${BINDINGS} bindings each, drops`,
    sizes: [250, 20_000],
    async prepare(driver, n, id) {
      const [link, other] = [await driver.open(), await driver.open()]
      await declareExchange(other, id, 'topic')
      await sendAll(link, declarations(n, id, { exclusive: true }))
      await sendAll(link, bindings(n, id, BINDINGS))
      return async function drop() {
        await link.cut()
        await gone(driver, `${id}-${n - 1}`)
        await other.synced()
      }
    },
  },
  {
    name: 'start with n queues of two messages, one of them taken',
    sizes: [500, 20_000],
    isStart: true,
    async prepare(driver, n, id) {
      const link = await driver.open()
      await sendAll(link, declarations(n, id, { durable: true }, [QUORUM]))
      await link.publish(2 * n, (i) => message({ routingKey: `${id}-${i >> 1}` }))
      await sendAll(
        link,
        Array.from({ length: n }, (_, i) => method(1, 'basic.get', { queue: `${id}-${i}` })),
      )
      return () => driver.restart()
    },
  },
  {
    name: 'a chain of n auto-delete exchanges goes',
    sizes: [500, 12_000],
    async prepare(driver, n, id) {
      const link = await driver.open()
      const name = (i: number) => `${id}-${i}`
      const declared = Array.from({ length: n }, (_, i) =>
        method(1, 'exchange.declare', { exchange: name(i), type: 'fanout', autoDelete: true, noWait: true }),
      )
      const bound = Array.from({ length: n - 1 }, (_, i) =>
        method(1, 'exchange.bind', { source: name(i), destination: name(i + 1), noWait: true }),
      )
      await sendAll(link, declared)
      await sendAll(link, bound)
      return async function deleteLast() {
        await link.ask('exchange.delete', 'exchange.delete-ok', { exchange: name(n - 1) })
        await link.synced()
      }
    },
  },
  {
    name: 'a message through n queues of length 0, each dead-lettered into the next',
    sizes: [50, 1_500],
    // The record of its deaths grows with each, and is sent on as a whole.
    growth: 4.6,
    async prepare(driver, n, id) {
      const link = await driver.open()
      const name = (i: number) => `${id}-${i}`
      await declareQueue(link, name(n))
      const chain = Array.from({ length: n }, (_, i) => {
        const args = [
          integer('x-max-length', 0),
          string('x-dead-letter-exchange', ''),
          string('x-dead-letter-routing-key', name(i + 1)),
        ]
        return method(1, 'queue.declare', { queue: name(i), durable: true, noWait: true, arguments: args })
      })
      await sendAll(link, chain)
      return async function passThrough() {
        await link.publish(1, () => message({ routingKey: name(0) }))
        await link.holds(name(n), 1)
      }
    },
  },
]

/** Resolves when a queue is no longer there. */
async function gone(driver: Driver, queue: string): Promise<void> {
  for (let isThere = true; isThere; ) {
    const link = await driver.open()
    isThere = await link.ready(queue).then(
      () => true,
      (error: Error) => !error.message.includes('NOT_FOUND'),
    )
    await link.cut()
  }
}
