// Whose a broker is, what its registry says, and what becomes of what no worker stands for any more.
import { onEveryBroker } from './brokers.ts'
import { orphans } from './orphans.ts'
import { projects } from './projects.ts'

// @counts-messages

onEveryBroker('projects and orphans', 200_000, async (t, { place }) => {
  const url = await place(t)
  await orphans(t, url)
  await projects(t, url)
})
