import t from 'tap'
import { brokers } from './brokers.ts'
import { delays } from './delays.ts'

t.setTimeout(300_000)
for (const { name, skip, place } of brokers) {
  t.test(`delays and retries on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    await delays(t, await place(t))
  })
}
