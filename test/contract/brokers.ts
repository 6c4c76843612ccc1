import { noPrivateNode, noRabbitmq4, rabbitmqRequired, startRabbitmq4 } from '../helpers/broker.ts'
import { startEmbedded } from '../helpers/embedded.ts'
import { type Broker, startRabbitmq } from '../helpers/rabbitmq.ts'
import type { Teardown } from '../helpers/tmp.ts'

/** A kind of broker that the contract holds for. */
export interface BrokerKind {
  readonly name: string
  /** Why it can't be tested here, or false. */
  readonly skip: string | false
  /** Starts one that nobody else uses; it ends with the test. */
  start(t: Teardown): Promise<Broker>
}

/** Every kind of broker that Warren runs on. Where RabbitMQ is required, a missing one fails instead of being skipped. */
export const brokers: readonly BrokerKind[] = [
  { name: 'the embedded broker', skip: false, start: startEmbedded },
  { name: 'RabbitMQ', skip: noPrivateNode, start: (t) => startRabbitmq(t) },
  { name: 'RabbitMQ 4', skip: rabbitmqRequired() ? false : noRabbitmq4, start: startRabbitmq4 },
]
