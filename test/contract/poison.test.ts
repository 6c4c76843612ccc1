import t from 'tap'
import { brokers } from './brokers.ts'
import { poison } from './poison.ts'

// @counts-messages

t.setTimeout(300_000)
for (const { name, skip, place } of brokers) {
  t.test(`messages that end their process on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    await poison(t, await place(t))
  })
}
