import t from 'tap'
import { brokers } from './brokers.ts'
import { timetable } from './timetable.ts'

t.setTimeout(240_000)
for (const { name, skip, start } of brokers) {
  t.test(`the timetable on ${name}`, { skip }, async (t) => {
    t.setTimeout(75_000)
    await timetable(t, (await start(t)).url)
  })
}
