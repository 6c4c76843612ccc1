import { onEveryBroker } from './brokers.ts'
import { poison } from './poison.ts'

// @counts-messages

onEveryBroker('messages that end their process', 300_000, async (t, { place }) => poison(t, await place(t)))
