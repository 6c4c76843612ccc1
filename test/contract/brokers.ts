import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { noPrivateNode, rabbitmqRequired } from '../helpers/broker.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { rabbitmq40, rabbitmq43 } from '../helpers/other-rabbitmq.ts'
import { isStrict } from '../helpers/promised.ts'
import { type Broker, startRabbitmq } from '../helpers/rabbitmq.ts'
import { privateAdmin } from '../helpers/rabbitmq-admin.ts'
import { sharedNode } from '../helpers/shared-node.ts'
import type { Teardown } from '../helpers/tmp.ts'

/** A kind of broker that the contract holds for. */
export interface BrokerKind {
  readonly name: string
  /** Why it can't be tested here, or false. */
  readonly skip: string | false
  /** Starts one that nobody else uses; it ends with the test. */
  start(t: Teardown): Promise<Broker>
  /**
   * A place that nobody else uses, on a broker that must not be stopped: a vhost of the run's node, where there is one.
   * @returns its URL, credentials included
   */
  place(t: Teardown): Promise<string>
}

const all: readonly BrokerKind[] = [
  kind({ name: 'the embedded broker', skip: false, start: startEmbedded }),
  kind({ name: 'RabbitMQ', skip: noPrivateNode, start: (t) => startRabbitmq(t) }),
  kind({ ...rabbitmq43, skip: rabbitmqRequired() ? false : rabbitmq43.skip }),
  ...(rabbitmq40.root ? [kind(rabbitmq40)] : []),
]

/**
 * Every kind of broker that Warren runs on. Where RabbitMQ is required, a missing one fails instead of being skipped.
 * RabbitMQ 4.0 is one of them only where its folder is given: `npm run test:rabbitmq40` does. WARREN_BROKER names the only
 * kind that is wanted: 'the embedded broker', 'RabbitMQ', 'RabbitMQ 4.3', 'RabbitMQ 4.0'.
 */
export const brokers: readonly BrokerKind[] = all.filter(({ name }) => name === (process.env.WARREN_BROKER || name))

/**
 * Runs a test on every kind of broker, side by side: they mostly wait. Where times are held to their promise, one after the other.
 * @param what the tests' name, before the broker's
 * @param limitMs for each of them
 */
export function onEveryBroker(what: string, limitMs: number, use: (t: Test, kind: BrokerKind) => Promise<void>): void {
  t.jobs = isStrict ? 1 : brokers.length
  t.setTimeout(limitMs * brokers.length)
  for (const broker of brokers) {
    t.test(`${what} on ${broker.name}`, { skip: broker.skip, buffered: true, timeout: limitMs }, (t) => use(t, broker))
  }
}

function kind({ name, skip, start }: Omit<BrokerKind, 'place'>): BrokerKind {
  return {
    name,
    skip,
    start,
    async place(t) {
      const shared = sharedNode(name)
      if (!shared) return (await start(t)).url
      // It goes with the node.
      const vhost = `test-${randomUUID()}`
      await privateAdmin(shared.environment).createVhost(vhost)
      return `${shared.url}/${vhost}`
    },
  }
}
