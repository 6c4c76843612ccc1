import { onEveryBroker } from './brokers.ts'
import { delays } from './delays.ts'

onEveryBroker('delays and retries', 300_000, async (t, { place }) => delays(t, await place(t)))
