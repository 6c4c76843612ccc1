// What clients ask for together, and transactions.
import { method } from '../fuzz/bytes.ts'
import { declareQueue, message } from './link.ts'
import type { Operation } from './operation.ts'
import { boundQueues } from './with-queues.ts'

export const withClients: readonly Operation[] = [
  {
    name: 'a transaction of n messages',
    sizes: [2_500, 10_000],
    async prepare(driver, n, id) {
      const link = await driver.open()
      await declareQueue(link, id)
      const { client } = link
      const opened = client.next(2, 'tx.select-ok')
      client.send(method(2, 'channel.open'), method(2, 'tx.select'))
      await opened
      const frames = message({ channel: 2, routingKey: id })
      client.send(...Array.from({ length: n }, () => frames))
      await link.synced()
      return async function commit() {
        const committed = client.next(2, 'tx.commit-ok')
        client.send(method(2, 'tx.commit'))
        if (!(await committed)) throw new Error('Expected tx.commit-ok, found the end of the connection')
      }
    },
  },
  {
    name: 'n clients publish 20 messages to a fan-out of 100 queues at once',
    sizes: [20, 400],
    async prepare(driver, n, id) {
      const first = await boundQueues(driver, 100, id, 'fanout', 1)
      const links = [first]
      while (links.length < n) links.push(await driver.open())
      const frames = message({ exchange: id })
      return () => Promise.all(links.map((link) => link.publish(20, () => frames)))
    },
  },
]
