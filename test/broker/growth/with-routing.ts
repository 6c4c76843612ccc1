// Operations that look for where a message goes.
import { array, type Field, longstr, method, octet, short, table } from '../fuzz/bytes.ts'
import { integer, string } from '../fuzz/values.ts'
import { type Driver, type Link, message, QUORUM } from './link.ts'
import type { Operation } from './operation.ts'

const MESSAGES = 50
/** Bindings in one write. */
const AT_ONCE = 500

type Bind = (i: number) => { routingKey?: string; arguments?: readonly Field[] }

/** An exchange with n bindings, all to one queue. */
async function boundExchange(driver: Driver, n: number, id: string, type: string, bind: Bind): Promise<Link> {
  const link = await driver.open()
  await link.ask('exchange.declare', 'exchange.declare-ok', { exchange: id, type, durable: false })
  await link.ask('queue.declare', 'queue.declare-ok', { queue: id, durable: true, arguments: [QUORUM] })
  for (let i = 0; i < n; ) {
    const end = Math.min(n, i + AT_ONCE)
    const frames: Buffer[] = []
    for (; i < end; i++) frames.push(method(1, 'queue.bind', { queue: id, exchange: id, noWait: true, ...bind(i) }))
    link.client.send(...frames)
    await link.synced()
  }
  return link
}

/** The properties of a persistent message with these headers. */
function withHeaders(fields: readonly Field[]): Buffer {
  return Buffer.concat([short(0x3000), table(fields), octet(2)])
}

const keys = (all: readonly string[]): Field => {
  return { name: Buffer.from('CC'), tag: 'A', value: array(all.map((key) => ({ tag: 'S', value: longstr(key) }))) }
}

/** A key of so many words. */
const words = (count: number, last: string) => `${'a.'.repeat(count)}${last}`

export const withRouting: readonly Operation[] = [
  {
    name: `${MESSAGES} messages to a topic exchange with n bindings, one of which matches`,
    sizes: [4_000, 100_000],
    async prepare(driver, n, id) {
      const link = await boundExchange(driver, n, id, 'topic', (i) => ({ routingKey: `a.${i}.*` }))
      return () => link.publish(MESSAGES, (i) => message({ exchange: id, routingKey: `a.${i}.b` }))
    },
  },
  {
    name: `${MESSAGES} messages to a headers exchange with n bindings, one of which matches`,
    sizes: [1_000, 20_000],
    async prepare(driver, n, id) {
      const link = await boundExchange(driver, n, id, 'headers', (i) => ({ arguments: [integer('h', i)] }))
      const properties = (i: number) => withHeaders([integer('h', i), string('other', 'x')])
      return () => link.publish(MESSAGES, (i) => message({ exchange: id, properties: properties(i) }))
    },
  },
  {
    name: 'a message with n keys in its CC header',
    sizes: [2_000, 10_000],
    async prepare(driver, n, id) {
      const link = await boundExchange(driver, n, id, 'direct', (i) => ({ routingKey: `${i}` }))
      const properties = withHeaders([keys(Array.from({ length: n }, (_, i) => `${i}`))])
      return () => link.publish(5, () => message({ exchange: id, properties }))
    },
  },
  {
    name: 'a message with n CC keys of 60 words to bindings of #.*.#.*.#.*.#',
    sizes: [8, 128],
    async prepare(driver, n, id) {
      const link = await boundExchange(driver, 20, id, 'topic', (i) => ({ routingKey: `#.*.#.*.#.*.#.${i}` }))
      const properties = withHeaders([keys(Array.from({ length: n }, (_, i) => words(59, `${i}`)))])
      return () => link.publish(5, () => message({ exchange: id, properties }))
    },
  },
  {
    name: 'a message with a key of n words to a binding of #.*.#.*.#.*.#',
    sizes: [15, 120],
    // Each # may end at each word.
    growth: 5,
    async prepare(driver, n, id) {
      const link = await boundExchange(driver, 20, id, 'topic', (i) => ({ routingKey: `#.*.#.*.#.*.#.${i}` }))
      return () => link.publish(20, () => message({ exchange: id, routingKey: words(n, '1') }))
    },
  },
]
