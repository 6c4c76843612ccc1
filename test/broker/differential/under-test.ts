import { startRabbitmq4 } from '../../helpers/broker.ts'
import type { Teardown } from '../../helpers/tmp.ts'

/** Starts the broker that is compared with RabbitMQ 4; it ends with the test. */
export async function startUnderTest(t: Teardown): Promise<{ url: string }> {
  // Until there is an embedded broker: another RabbitMQ, which proves that the comparison finds nothing where nothing is.
  return startRabbitmq4(t)
}
