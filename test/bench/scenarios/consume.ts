import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import { BULLMQ, BY_HAND, openPairs, PEERS, PREFETCH, TUNED, TUNED_SAME } from '../sides.ts'

const SIZES = { '256 B': [256, 40_000], '4 kB': [4_096, 15_000], '64 kB': [65_536, 2_500] } as const

/** Through a worker: a backlog, and a handler that does nothing. */
export const consume: Scenario = {
  name: 'consume',
  title: `Consume and acknowledge a backlog, with a handler that does nothing and a prefetch of ${PREFETCH}.`,
  measures: Object.keys(SIZES).map((name) => ({
    name,
    unit: 'messages/s',
    better: 'more' as const,
    targets: [
      { against: BY_HAND, value: 1.2 },
      { against: TUNED, value: 0.9 },
      { against: BULLMQ, value: 3 },
    ],
  })),
  async open(services, t) {
    const pairs = await openPairs(services, t, [...PEERS.slice(0, 3), TUNED_SAME, ...PEERS.slice(3)])
    return pairs.map(({ name, queue, sender, receiver }) => ({
      name,
      async sample() {
        const figures: Record<string, number> = {}
        for (const [size, [bytes, full]] of Object.entries(SIZES)) {
          const count = services.size(full)
          await sender.call('publish', queue, count, bytes)
          // What a receiver has at hand already when the clock starts is not counted.
          const { ms } = await receiver.call<Taken>('take', queue, count, Math.min(PREFETCH, count / 2))
          figures[size] = (count - Math.min(PREFETCH, count / 2)) / (ms / 1_000)
        }
        return figures
      },
    }))
  },
}
