import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import { MOST_PREFETCH, openPairs, openWarren, type Pair, TUNED, WARREN } from '../sides.ts'

const BYTES = 256
/** How many messages wait, and how often they are filled and drained: short measurements are added up. */
const BACKLOGS = { '1 k': [1_000, 30], '10 k': [10_000, 5], '100 k': [100_000, 1], '1 M': [1_000_000, 1] } as const
const RATIO = '1 M / 1 k'

/** Whether what waits slows down what runs. */
export const backlog: Scenario = {
  name: 'backlog',
  title: 'Drain backlogs of a thousand to a million messages: the rate should not depend on how many wait.',
  rounds: 3,
  measures: [
    ...Object.keys(BACKLOGS).map((name) => ({ name, unit: 'messages/s', better: 'more' as const })),
    { name: RATIO, unit: 'x', better: 'more', digits: 2, targets: [{ value: 0.9 }] },
  ],
  async open(services, t) {
    const { rabbitmq, embedded, size } = services
    const pairs = [
      await openWarren(t, await rabbitmq()),
      await openWarren(t, await embedded(), { name: `${WARREN}, embedded broker` }),
      // How much of it is the broker's.
      ...(await openPairs(services, t, [TUNED])),
    ]

    /** Messages a second. */
    async function drain(pair: Pair, [full, times]: readonly [number, number]): Promise<number> {
      const { queue, sender, receiver } = pair
      const count = size(full)
      // What the worker has been given already, while it waits to begin, is no backlog any more.
      const held = Math.min(MOST_PREFETCH, Math.floor(count / 2))
      let total = 0
      for (let i = 0; i < times; i++) {
        await sender.call('publish', queue, count, BYTES)
        const { ms } = await receiver.call<Taken>('take', queue, count, held)
        total += ms
      }
      return ((count - held) * times) / (total / 1_000)
    }

    return pairs.map((pair) => ({
      name: pair.name,
      warmUp: () => drain(pair, BACKLOGS['1 k']),
      async sample() {
        const figures: Record<string, number> = {}
        for (const [name, backlog] of Object.entries(BACKLOGS)) figures[name] = await drain(pair, backlog)
        const [one, million] = [figures['1 k'] as number, figures['1 M'] as number]
        return { ...figures, [RATIO]: million / one }
      },
    }))
  },
}
