import { type Broker, startBroker } from '../../supervisor/broker/start.ts'
import { type Teardown, temporaryFolder } from '../helpers/tmp.ts'
import { openWire, type Wire } from './differential/wire.ts'

/** A broker on a folder, and a connection to it with channel 1 open; `end` ends both, at the latest with the test. */
export async function openSession(
  t: Teardown,
  folder = temporaryFolder(t),
): Promise<{ broker: Broker; wire: Wire; end: () => Promise<void> }> {
  const broker = await startBroker({ folder })
  const wire = await openWire(broker.url)
  const end = async () => {
    await wire.close()
    await broker.close()
  }
  t.teardown(end)
  await wire.request('ChannelOpen', 1)
  return { broker, wire, end }
}
