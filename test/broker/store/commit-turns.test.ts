// A commit and the turns of the event loop: what belongs together, and who waits for it.
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { committerOf, counter, fakeDatabase, keyOf, safe } from './fake-database.ts'

t.test('what belongs together is one commit, however many turns it takes', async (t) => {
  const { database, writes } = fakeDatabase()
  const committer = committerOf(database)
  const counters = Array.from({ length: 20 }, (_, i) => counter(committer, keyOf(i), () => {}))
  const [first, second] = [committer.together(), committer.together()]
  for (const { add } of counters) {
    add(1)
    await turn()
  }
  first()
  for (let i = 0; i < 5; i++) await turn()
  t.equal(writes.length, 0, 'nothing as long as somebody is at it')
  second()
  await safe(committer)
  t.same(
    writes.map((operations) => operations.length),
    [20],
  )
  committer.together()
  counters[0]?.add(1)
  await committer.close()
  t.equal(writes.length, 2, 'a store that closes waits for nobody')
})

t.test('those who wait for a commit do not keep all others waiting', async (t) => {
  const { database } = fakeDatabase()
  const committer = committerOf(database)
  let inThisTurn = 0
  let most = 0
  let left = 100
  const all = new Promise<void>((resolve) => {
    for (let i = left; i > 0; i--) {
      committer.whenSafe(function act() {
        for (const end = performance.now() + 1; performance.now() < end; );
        most = Math.max(most, ++inThisTurn)
        if (--left === 0) resolve()
      })
    }
  })
  while (left > 0) {
    await turn()
    inThisTurn = 0
  }
  await all
  t.ok(most <= 20, `${most} of 100 in one turn`)
  await committer.close()
})

t.test('what belongs together is one commit, also where it begins just before another one', async (t) => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const { database, writes } = fakeDatabase()
    const committer = committerOf(database)
    const [first, second] = [0, 1].map((i) => counter(committer, keyOf(i), () => {}))
    await committer.exclusively(async () => {})
    for (let i = 0; i < ticks; i++) await undefined
    const release = committer.together()
    first?.add(1)
    for (let i = 0; i < 5; i++) await turn()
    second?.add(1)
    release()
    await safe(committer)
    t.same(
      writes.map((operations) => operations.length),
      [2],
      `${ticks} ticks behind what was before`,
    )
    await committer.close()
  }
})
