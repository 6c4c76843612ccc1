// What docs/fate.md promises, on real brokers, with real processes and connections that end.
import t from 'tap'
import { brokers } from './brokers.ts'
import { history } from './histories.ts'
import { voids } from './voids.ts'

// @counts-messages

const HISTORIES = Number(process.env.WARREN_HISTORIES ?? 1)
const SEED = Number(process.env.WARREN_SEED ?? 1)

t.setTimeout(400_000 + HISTORIES * 300_000)
for (const { name, skip, place } of brokers) {
  t.test(`the fate of messages on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000 + HISTORIES * 100_000)
    const url = await place(t)
    await t.test('lost connections', async (t) => voids(t, url))
    for (let n = 0; n < HISTORIES; n++) {
      await t.test(`a history from seed ${SEED + n}`, (t) => history(t, url, SEED + n))
    }
  })
}
