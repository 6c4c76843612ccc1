// A file of its own: ten thousand letters and hundreds of looks at them take a while on each broker.
import t from 'tap'
import { brokers } from './brokers.ts'
import { deadLetterOperations } from './dead-letter-operations.ts'
import { forgedLetters } from './forged-letters.ts'
import { projects } from './projects.ts'

// @counts-messages

t.setTimeout(240_000)

for (const { name, skip, place } of brokers) {
  t.test(`operations on dead letters on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    const url = await place(t)
    await deadLetterOperations(t, url)
    await forgedLetters(t, url)
    await projects(t, url)
  })
}
