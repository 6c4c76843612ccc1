import type { Called } from '../peers/send.ts'
import type { Scenario } from '../scenario.ts'
import { openPairs } from '../sides.ts'

const BYTES = 256
const CALLERS = 100
const MANY = `${CALLERS} callers`
const ONE = 'p50, one caller'

/** By `bus.call`, until the result is there. */
export const call: Scenario = {
  name: 'call',
  title: 'Call a handler in another process and wait for its result.',
  measures: [
    { name: MANY, unit: 'calls/s', better: 'more' },
    { name: ONE, unit: 'ms', better: 'less', digits: 2 },
  ],
  async open(services, t) {
    const pairs = await openPairs(services, t, undefined, { worker: 'warren-answers' })
    for (const { receiver, queue } of pairs) await receiver.call('serve', queue)
    return pairs.map(({ name, queue, sender }) => ({
      name,
      async sample() {
        const count = services.size(20_000)
        const { ms } = await sender.call<Called>('call', queue, count, BYTES, CALLERS)
        const { p50 } = await sender.call<Called>('call', queue, services.size(2_000), BYTES, 1)
        return { [MANY]: count / (ms / 1_000), [ONE]: p50 }
      },
    }))
  },
}
