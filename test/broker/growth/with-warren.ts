// Operations as Warren itself asks a broker for them: delayed messages, and looks at dead letters.
import type { WorkerPlace } from '../../../supervisor/base/dead-letters.ts'
import { openDeadLetters } from '../../../supervisor/messaging/dead-letters.ts'
import { declare } from '../../../supervisor/messaging/declare.ts'
import { delayRoute, delayTopology, deliveryBinding } from '../../../supervisor/messaging/delay.ts'
import { openLink } from '../../../supervisor/messaging/link.ts'
import { deadLetterQueue, deadLetterTopology } from '../../../supervisor/messaging/topology.ts'
import { octet, short, shortstr } from '../fuzz/bytes.ts'
import { type Driver, declareQueue, message } from './link.ts'
import type { Operation } from './operation.ts'

/** Messages that any machine publishes in a second, and milliseconds on top. */
const [RATE, LEAD] = [10_000, 1_000]
const PAGE = 20

async function letters(driver: Driver, n: number, id: string) {
  const { url } = driver.broker
  const own = await openLink({ url, name: 'growth' })
  await declare(own, [deadLetterTopology(deadLetterQueue(id))])
  await own.close()
  const link = await driver.open()
  const properties = (i: number) => Buffer.concat([short(0x1080), octet(2), shortstr(`${i}`)])
  await link.publish(n, (i) => message({ routingKey: deadLetterQueue(id), properties: properties(i), size: 500 }))
  const place: WorkerPlace = { name: id, address: { kind: 'queue', name: id }, subscription: 'group' }
  const redrive = () => Promise.reject(new Error('nothing is redriven here'))
  const deadLetters = openDeadLetters({ urls: [url], name: 'growth', workers: async () => [place], redrive })
  return { deadLetters, link }
}

export const withWarren: readonly Operation[] = [
  {
    name: 'n delayed messages, due at one moment',
    sizes: [1_000, 100_000],
    async prepare(driver, n, id) {
      const own = await openLink({ url: driver.broker.url, name: 'growth' })
      const link = await driver.open()
      await declareQueue(link, id)
      await declare(own, [...delayTopology(), deliveryBinding(id)])
      await own.close()
      return async function sendAndWait() {
        const due = performance.now() + LEAD + (n / RATE) * 1_000
        await link.publish(n, () => message(delayRoute(Math.max(due - performance.now(), 1), id)))
        await link.holds(id, n)
        await link.synced()
      }
    },
  },
  {
    name: `the first ${PAGE} of n dead letters, ten times`,
    sizes: [15_000, 200_000],
    // The same for any number.
    growth: 1.6,
    async prepare(driver, n, id) {
      const { deadLetters } = await letters(driver, n, id)
      return async function lookAtFirst() {
        for (let i = 0; i < 10; i++) {
          const { deadLetters: found } = await deadLetters.list({ worker: id, limit: PAGE })
          if (found.length !== PAGE) throw new Error(`Expected ${PAGE} dead letters, found ${found.length}`)
        }
      }
    },
  },
  {
    name: 'the last of n dead letters, then the first page again',
    sizes: [15_000, 200_000],
    async prepare(driver, n, id) {
      const { deadLetters } = await letters(driver, n, id)
      return async function lookAtLast() {
        await deadLetters.get(`${n - 1}`, id)
        await deadLetters.list({ worker: id, limit: PAGE })
      }
    },
  },
]
