import { startBroker } from '../../../supervisor/broker/start.ts'
import type { Teardown } from '../../helpers/tmp.ts'

/** Starts the broker that is compared with RabbitMQ 4.3; it ends with the test. */
export async function startUnderTest(t: Teardown): Promise<{ url: string }> {
  const broker = await startBroker()
  t.teardown(() => broker.close())
  return broker
}
