import type { Teardown } from '../../helpers/tmp.ts'
import { startClient } from '../measure.ts'
import type { Scenario, Side } from '../scenario.ts'
import { quantile } from '../statistics.ts'

const MESSAGES = 60_000
/** For latency; so many a second. */
const [TIMED, PACE] = [2_000, 1_000]
const QUEUE = 'bench-broker'
// The version that people should use; for the older one there are no targets.
const RABBITMQ4 = 'RabbitMQ 4'
const throughput = { unit: 'messages/s', better: 'more', targets: [{ against: RABBITMQ4, value: 1 }] } as const
const latency = { unit: 'ms', better: 'less', digits: 2 } as const

/** The embedded broker beside RabbitMQ. */
export const broker: Scenario = {
  name: 'broker',
  title:
    'The embedded broker beside RabbitMQ: durable queues of type quorum, confirmed messages of 256 bytes, one client ' +
    `that uses amqplib as Warren does. Latency is from publishing to delivery, at ${PACE} messages a second.`,
  measures: [
    { name: 'publish', ...throughput },
    { name: 'consume', ...throughput },
    { name: 'p50', ...latency, targets: [{ against: RABBITMQ4, value: 0.8 }] },
    { name: 'p99', ...latency },
  ],
  async open(services, t) {
    const size = services.size
    const sides = [await sideOf(t, 'embedded', (await services.embedded()).url, size)]
    if (services.has('rabbitmq4')) sides.push(await sideOf(t, RABBITMQ4, (await services.rabbitmq()).url, size))
    if (services.has('rabbitmq3')) sides.push(await sideOf(t, 'RabbitMQ 3', (await services.rabbitmq3()).url, size))
    return sides
  },
}

async function sideOf(t: Teardown, name: string, url: string, size: (count: number) => number): Promise<Side> {
  const client = await startClient(url, QUEUE)
  t.teardown(client.end)
  return {
    name,
    async sample() {
      const count = size(MESSAGES)
      const rate = ([ms = Number.NaN]: readonly number[]) => count / (ms / 1_000)
      await client.perform({ do: 'reset' })
      const publish = rate(await client.perform({ do: 'publish', count }))
      const consume = rate(await client.perform({ do: 'consume', count }))
      const times = await client.perform({ do: 'latency', count: size(TIMED), perSecond: PACE })
      return { publish, consume, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
    },
  }
}
