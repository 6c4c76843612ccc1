import { RETRY_DELAY } from '../peers/retry.ts'
import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import { BULLMQ, BY_HAND, openPairs, RABBITMQ_CLIENT, WARREN } from '../sides.ts'

const BYTES = 256

/** A dependency that was down for a moment: every message comes back. */
export const retries: Scenario = {
  name: 'retries',
  title: `A backlog of which each message fails once and succeeds ${RETRY_DELAY} ms later: from the first failure to the last success.`,
  measures: [{ name: 'each fails once', unit: 'messages/s', better: 'more' }],
  async open(services, t) {
    const names = [WARREN, BY_HAND, RABBITMQ_CLIENT, BULLMQ]
    const pairs = await openPairs(services, t, names, { worker: 'warren-retries' })
    for (const { sender, queue } of pairs) await sender.call('declareRetried', queue)
    return pairs.map(({ name, queue, sender, receiver }) => ({
      name,
      async sample() {
        const count = services.size(10_000)
        await sender.call('publish', queue, count, BYTES)
        const { ms } = await receiver.call<Taken>('takeRetried', queue, count)
        return { 'each fails once': count / (ms / 1_000) }
      },
    }))
  },
}
