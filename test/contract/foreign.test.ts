import t from 'tap'
import { brokers } from './brokers.ts'
import { foreign } from './foreign.ts'

// @counts-messages

t.setTimeout(300_000)
for (const { name, skip, place } of brokers) {
  t.test(`messages of other clients on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    await foreign(t, await place(t))
  })
}
