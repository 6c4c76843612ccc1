import type { Taken } from '../peers/tally.ts'
import type { Scenario } from '../scenario.ts'
import type { Services } from '../services.ts'
import { BY_HAND, openPairs, type Pair } from '../sides.ts'
import { quantile } from '../statistics.ts'

const BYTES = 256
/** Shares of what amqplib by hand can do at most. */
const LOADS = { '10 %': 0.1, '50 %': 0.5, '80 %': 0.8 } as const
/** The targets' load. */
const JUDGED = '50 %'
const SECONDS = 3
/** Seconds before them: receivers start meanwhile, and what they take then does not count. */
const LEAD = 0.3
const TRIES = 3

/** From `bus.send` to the handler, at a steady pace. */
export const latency: Scenario = {
  name: 'latency',
  title:
    'From sending to the handler, at a steady pace: shares of what amqplib by hand can send and receive at once on this ' +
    'machine, the same for every side.',
  measures: Object.keys(LOADS).flatMap((load) => [
    measure(`p50 at ${load}`, load === JUDGED ? 1.15 : undefined),
    measure(`p99 at ${load}`, load === JUDGED ? 1.3 : undefined),
  ]),
  async open(services, t) {
    const pairs = await openPairs(services, t)
    const most = await maximumOf(pairs.find(({ name }) => name === BY_HAND) as Pair, services)
    return pairs.map(({ name, queue, sender, receiver }) => ({
      name,
      async sample() {
        const figures: Record<string, number> = {}
        for (const [load, share] of Object.entries(LOADS)) {
          const perSecond = most * share
          const skip = services.size(perSecond * LEAD)
          const count = services.size(perSecond * SECONDS) + skip
          const [{ p50, p99 }] = await Promise.all([
            receiver.call<Taken>('take', queue, count, skip),
            sender.call('pace', queue, count, perSecond, BYTES),
          ])
          figures[`p50 at ${load}`] = p50
          figures[`p99 at ${load}`] = p99
        }
        return figures
      },
    }))
  },
}

function measure(name: string, target: number | undefined) {
  const targets = target === undefined ? [] : [{ against: BY_HAND, value: target }]
  return { name, unit: 'ms', better: 'less' as const, digits: 2, targets }
}

/** Messages a second that a side sends and receives at the same time. */
async function maximumOf({ queue, sender, receiver }: Pair, { size }: Services): Promise<number> {
  const count = size(40_000)
  const rates: number[] = []
  // The first does not count.
  for (let i = 0; i <= TRIES; i++) {
    const [{ ms }] = await Promise.all([
      receiver.call<Taken>('take', queue, count),
      sender.call('publish', queue, count, BYTES),
    ])
    rates.push(count / (ms / 1_000))
  }
  return quantile(rates.slice(1), 0.5)
}
