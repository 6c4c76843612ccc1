import { countCosts } from '../cost.ts'
import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import { BULLMQ, BY_HAND, MOST_PREFETCH, openPairs, PEERS_AND_SAME, PREFETCH, TUNED } from '../sides.ts'
import { measuresBySize } from '../sizes.ts'

const SIZES = { '256 B': [256, 40_000], '4 kB': [4_096, 15_000], '64 kB': [65_536, 4_000] } as const
/**
 * Messages before the clock starts: those that a receiver has at hand already, and then as many as it takes to collect
 * the memory of those that Warren's handlers have held while the backlog grew.
 */
const SKIPPED = 3 * MOST_PREFETCH

/** Through a worker: a backlog, and a handler that does nothing. */
export const consume: Scenario = {
  name: 'consume',
  title:
    `Consume and acknowledge a backlog, with a handler that does nothing and a prefetch of ${PREFETCH}; the tuned ones ` +
    `have ${MOST_PREFETCH}, which Warren gets to by itself.`,
  measures: measuresBySize(Object.keys(SIZES), [
    { against: BY_HAND, value: 1.2 },
    { against: TUNED, value: 0.9 },
    { against: BULLMQ, value: 3 },
  ]),
  async open(services, t) {
    const sizes = services.sizesOf<readonly [number, number]>(SIZES)
    const pairs = await openPairs(services, t, PEERS_AND_SAME)
    return pairs.map(({ name, queue, broker, sender, receiver }) => ({
      name,
      async sample() {
        const figures: Record<string, number> = {}
        for (const [size, [bytes, full]] of sizes) {
          const count = services.size(full)
          await sender.call('publish', queue, count, bytes)
          const costs = countCosts(size, count, { broker, client: receiver.pid })
          const skipped = Math.min(SKIPPED, count / 2)
          const { ms } = await receiver.call<Taken>('take', queue, count, skipped)
          figures[size] = (count - skipped) / (ms / 1_000)
          Object.assign(figures, costs())
        }
        return figures
      },
    }))
  },
}
