// A file of its own: thousands of letters and hundreds of looks at them take a while on each broker.
import { onEveryBroker } from './brokers.ts'
import { deadLetterOperations } from './dead-letter-operations.ts'
import { foreignLetters, forgedLetters } from './forged-letters.ts'

// @counts-messages

onEveryBroker('operations on dead letters', 400_000, async (t, { place }) => {
  const url = await place(t)
  await deadLetterOperations(t, url)
  await forgedLetters(t, url)
  await foreignLetters(t, url)
})
