import { onEveryBroker } from './brokers.ts'
import { neighbours } from './neighbours.ts'
import { timetable } from './timetable.ts'

onEveryBroker('retries in time, and their neighbours,', 300_000, async (t, { place }) => {
  const url = await place(t)
  await t.test('many waiting retries', (t) => timetable(t, url))
  await t.test('many failing messages', (t) => neighbours(t, url))
})
