import { onEveryBroker } from './brokers.ts'
import { foreign } from './foreign.ts'

// @counts-messages

onEveryBroker('messages of other clients', 300_000, async (t, { place }) => foreign(t, await place(t)))
