import t from 'tap'
import { brokers } from './brokers.ts'
import { neighbours } from './neighbours.ts'
import { timetable } from './timetable.ts'

t.setTimeout(300_000)
for (const { name, skip, place } of brokers) {
  t.test(`retries in time, and their neighbours, on ${name}`, { skip }, async (t) => {
    t.setTimeout(100_000)
    const url = await place(t)
    await t.test('a thousand waiting retries', (t) => timetable(t, url))
    await t.test('many failing messages', (t) => neighbours(t, url))
  })
}
