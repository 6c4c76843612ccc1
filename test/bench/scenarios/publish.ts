import { costMeasures, countCosts } from '../cost.ts'
import { IN_FLIGHT } from '../peers/send.ts'
import type { Scenario } from '../scenario.ts'
import { openPairs, PEERS, RABBITMQ_CLIENT, TUNED, TUNED_SAME } from '../sides.ts'

const SIZES = { '256 B': [256, 40_000], '4 kB': [4_096, 15_000], '64 kB': [65_536, 2_000] } as const
/** Where what a message costs is not the copying of its body. */
const SMALLEST = '256 B'

/** By `bus.send`, until the broker has confirmed. */
export const publish: Scenario = {
  name: 'publish',
  title: `Send until the broker has confirmed each message, ${IN_FLIGHT} at a time.`,
  measures: Object.keys(SIZES).flatMap((name) => [
    {
      name,
      unit: 'messages/s',
      better: 'more' as const,
      targets: [
        { against: TUNED, value: 0.95 },
        { against: RABBITMQ_CLIENT, value: 1.5 },
      ],
    },
    ...(name === SMALLEST ? costMeasures(name) : []),
  ]),
  async open(services, t) {
    const pairs = await openPairs(services, t, [...PEERS.slice(0, 3), TUNED_SAME, ...PEERS.slice(3)])
    return pairs.map(({ name, queue, broker, sender, receiver }) => {
      let isIdle = false
      return {
        name,
        async sample() {
          // What is sent here nobody receives.
          if (!isIdle) await receiver.end()
          isIdle = true
          const figures: Record<string, number> = {}
          for (const [size, [bytes, full]] of Object.entries(SIZES)) {
            const count = services.size(full)
            const costs = countCosts(size, count, { broker, client: sender.pid })
            const ms = await sender.call<number>('publish', queue, count, bytes)
            if (size === SMALLEST) Object.assign(figures, costs())
            await sender.call('purge', queue)
            figures[size] = count / (ms / 1_000)
          }
          return figures
        },
      }
    })
  },
}
