// What docs/fate.md promises, on real brokers, with real processes and connections that end.
import { onEveryBroker } from './brokers.ts'
import { history } from './histories.ts'
import { voids } from './voids.ts'

// @counts-messages

const HISTORIES = Number(process.env.WARREN_HISTORIES ?? 1)
const SEED = Number(process.env.WARREN_SEED ?? 1)

onEveryBroker('the fate of messages', 300_000 + HISTORIES * 150_000, async (t, { place }) => {
  const url = await place(t)
  await t.test('lost connections', async (t) => voids(t, url))
  for (let n = 0; n < HISTORIES; n++) {
    await t.test(`a history from seed ${SEED + n}`, (t) => history(t, url, SEED + n))
  }
})
