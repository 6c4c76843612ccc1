import { onEveryBroker } from './brokers.ts'
import { foreign } from './foreign.ts'
import { foreignBodies } from './foreign-bodies.ts'

// @counts-messages

onEveryBroker('messages of other clients', 300_000, async (t, { place }) => {
  const url = await place(t)
  await foreign(t, url)
  foreignBodies(t, url)
})
