import { type Costs, costMeasures, countCosts } from '../cost.ts'
import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import { MOST_PREFETCH, openPairs, openWarren, type Pair, TUNED, WARREN } from '../sides.ts'

const BYTES = 256
/** How many messages wait, and how often they are filled and drained: short measurements are added up. */
const BACKLOGS = { '1 k': [1_000, 30], '10 k': [10_000, 5], '100 k': [100_000, 1], '1 M': [1_000_000, 1] } as const
const NAMES = Object.keys(BACKLOGS) as (keyof typeof BACKLOGS)[]
const RATIO = '1 M / 1 k'

/** Whether what waits slows down what runs. */
export const backlog: Scenario = {
  name: 'backlog',
  title: 'Drain backlogs of a thousand to a million messages: the rate should not depend on how many wait.',
  rounds: 3,
  measures: [
    ...NAMES.flatMap((name) => [
      { name, unit: 'messages/s', better: 'more' as const },
      // A thousand take hardly more than what processor time is counted in.
      ...(name === '1 k' ? [] : costMeasures(name)),
    ]),
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

    async function drain(pair: Pair, name: keyof typeof BACKLOGS): Promise<Record<string, number>> {
      const { queue, broker, sender, receiver } = pair
      const [full, times] = BACKLOGS[name]
      const count = size(full)
      // What the worker has been given already, while it waits to begin, is no backlog any more.
      const held = Math.min(MOST_PREFETCH, Math.floor(count / 2))
      let total = 0
      const costs: Costs[] = []
      for (let i = 0; i < times; i++) {
        await sender.call('publish', queue, count, BYTES)
        const cost = countCosts(name, count, { broker, client: receiver.pid })
        const { ms } = await receiver.call<Taken>('take', queue, count, held)
        total += ms
        costs.push(cost())
      }
      return { [name]: ((count - held) * times) / (total / 1_000), ...meanOf(costs) }
    }

    return pairs.map((pair) => ({
      name: pair.name,
      warmUp: () => drain(pair, '1 k'),
      async sample() {
        const figures: Record<string, number> = {}
        for (const name of NAMES) Object.assign(figures, await drain(pair, name))
        const [one, million] = [figures['1 k'] as number, figures['1 M'] as number]
        return { ...figures, [RATIO]: million / one }
      },
    }))
  },
}

function meanOf(costs: readonly Costs[]): Costs {
  const names = Object.keys(costs[0] ?? {})
  return Object.fromEntries(
    names.map((name) => [name, costs.reduce((sum, cost) => sum + (cost[name] ?? Number.NaN), 0) / costs.length]),
  )
}
