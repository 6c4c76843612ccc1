import { countCosts } from '../cost.ts'
import { IN_FLIGHT } from '../peers/send.ts'
import type { Scenario } from '../scenario.ts'
import { openPairs, PEERS_AND_SAME, RABBITMQ_CLIENT, TUNED } from '../sides.ts'
import { measuresBySize } from '../sizes.ts'

const SIZES = { '256 B': [256, 40_000], '4 kB': [4_096, 15_000], '64 kB': [65_536, 2_000] } as const

/** By `bus.send`, until the broker has confirmed. */
export const publish: Scenario = {
  name: 'publish',
  title: `Send until the broker has confirmed each message, ${IN_FLIGHT} at a time.`,
  measures: measuresBySize(Object.keys(SIZES), [
    { against: TUNED, value: 0.95 },
    { against: RABBITMQ_CLIENT, value: 1.5 },
  ]),
  async open(services, t) {
    const sizes = services.sizesOf<readonly [number, number]>(SIZES)
    const pairs = await openPairs(services, t, PEERS_AND_SAME)
    return pairs.map(({ name, queue, broker, sender, receiver }) => {
      let isIdle = false
      return {
        name,
        async sample() {
          // What is sent here nobody receives.
          if (!isIdle) await receiver.end()
          isIdle = true
          const figures: Record<string, number> = {}
          for (const [size, [bytes, full]] of sizes) {
            const count = services.size(full)
            const costs = countCosts(size, count, { broker, client: sender.pid })
            const ms = await sender.call<number>('publish', queue, count, bytes)
            Object.assign(figures, costs())
            await sender.call('purge', queue)
            figures[size] = count / (ms / 1_000)
          }
          return figures
        },
      }
    })
  },
}
