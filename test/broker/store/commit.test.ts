import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { type Batch, createCommitter, type Source } from '../../../supervisor/broker/store/commit.ts'
import { segmentKey } from '../../../supervisor/broker/store/keys.ts'
import { PIECE, redo } from '../../../supervisor/broker/store/redo.ts'
import { committerOf, counter, fakeDatabase, keyOf, noSpace, safe } from './fake-database.ts'

t.test('a commit is put together in pieces, and has all or nothing of what a turn has changed', async (t) => {
  const { database, writes } = fakeDatabase()
  const committer = committerOf(database)
  let inThisTurn = 0
  let mostInTurn = 0
  function cost() {
    // As long as it takes: what is counted is how many are done without a break.
    for (const end = performance.now() + 1; performance.now() < end; );
    mostInTurn = Math.max(mostInTurn, ++inThisTurn)
  }
  const counters = Array.from({ length: 300 }, (_, i) => counter(committer, keyOf(i), cost))
  for (const { add } of counters) add(1_000)
  // One of two that are far apart gives to the other, in each turn, while commits are put together.
  let moves = 0
  let isOver = false
  const moving = (async () => {
    while (!isOver) {
      await turn()
      inThisTurn = 0
      const a = (moves * 7) % 300
      const b = (moves * 13 + 150) % 300
      moves++
      if (a === b) continue
      counters[a]?.add(-1)
      counters[b]?.add(1)
    }
  })()
  for (let i = 0; i < 5; i++) await safe(committer)
  isOver = true
  await moving
  await committer.close()
  const values = new Map<string, number>()
  for (const [number, operations] of writes.entries()) {
    for (const { key, value } of operations) values.set(key.toString('hex'), Number(value))
    const total = [...values.values()].reduce((sum, value) => sum + value, 0)
    if (total !== 300_000) t.fail(`after commit ${number} there are ${total}`)
  }
  t.ok(moves > 10, `${moves} turns meanwhile`)
  t.ok(mostInTurn < 100, `${mostInTurn} sources in one turn`)
})

t.test('a commit of very many operations is all or nothing, wherever it is cut off', async (t) => {
  const count = 2 * PIECE + 10
  for (let cut = 0; cut <= 4; cut++) {
    let writes = 0
    const { database, records } = fakeDatabase(() => {
      if (writes++ === cut + 1) throw new Error('the process ends here')
    })
    const committer = createCommitter({
      ...{ database, syncBeside: async () => {}, onDiskFull() {}, onCommitted() {}, whenRoom: () => turn() },
      onBroken() {},
    })
    committer.touch({ collect: (batch) => batch.put(keyOf(count), Buffer.from('old')) })
    await safe(committer)
    function collect(batch: Batch) {
      for (let i = 0; i < count; i++) batch.put(keyOf(i), Buffer.alloc(i % 5, i))
      batch.remove(keyOf(count))
    }
    committer.touch({ collect })
    await committer.close().catch(() => {})
    writes = 100
    await redo(database)
    const expected = cut === 0 ? 1 : count
    t.equal(records.size, expected, `cut off before write ${cut + 1} of it`)
    t.equal(records.has(keyOf(count).toString('latin1')), cut === 0)
    const wrong = [...Array(expected === 1 ? 0 : count).keys()].filter((i) => {
      const value = records.get(keyOf(i).toString('latin1'))
      return !value?.equals(Buffer.alloc(i % 5, i))
    })
    t.same(wrong, [])
  }
})

t.test('what could not be written in pieces is not written again over what came later', async (t) => {
  let isFull = true
  const { database, records } = fakeDatabase((operations) => {
    if (isFull && operations.length >= PIECE) throw noSpace()
  })
  let onFull = () => {}
  const full = new Promise<void>((resolve) => {
    onFull = resolve
  })
  const committer = committerOf(database, onFull)
  committer.touch({
    collect(batch) {
      for (let i = 0; i < PIECE + 1; i++) batch.put(segmentKey({ queueId: 1, priority: 0, first: i }), Buffer.from('a'))
      batch.put(keyOf(1), Buffer.from('first'))
    },
  })
  await full
  // It is tried again without the log, which makes it short.
  const removed = new Promise<void>((resolve) => {
    committer.touch({
      collect(batch) {
        batch.put(keyOf(1), Buffer.from('second'))
        batch.removeLog(1, resolve)
      },
    })
  })
  await safe(committer)
  isFull = false
  await removed
  await committer.close()
  await redo(database)
  t.equal(records.get(keyOf(1).toString('latin1'))?.toString(), 'second')
  t.equal(records.size, 1)
})

t.test('deleted logs are removed by and by, and what failed to be written of them never is', async (t) => {
  let isFull = false
  const { database, records, writes } = fakeDatabase(() => {
    if (isFull) throw noSpace()
  })
  let onFull = () => {}
  const full = new Promise<void>((resolve) => {
    onFull = resolve
  })
  const committer = committerOf(database, onFull)
  const put = (queueId: number, count: number, from = 0): Source => ({
    collect(batch) {
      for (let i = from; i < from + count; i++) {
        batch.put(segmentKey({ queueId, priority: 0, first: i }), Buffer.from('a'))
      }
    },
  })
  committer.touch(put(1, 3_000))
  committer.touch(put(2, 10))
  await safe(committer)
  isFull = true
  committer.touch(put(1, 5, 3_000))
  committer.touch(put(3, 5))
  // It waits to be tried again.
  await full
  const before = writes.length
  const removed = new Promise<void>((resolve) => {
    committer.touch({ collect: (batch) => batch.removeLog(1, resolve) })
  })
  isFull = false
  await removed
  await committer.close()
  const kept = [...records.keys()].map((key) => Buffer.from(key, 'latin1').readUInt32BE(1))
  t.same([...new Set(kept)], [2, 3])
  t.equal(records.size, 15)
  const since = writes.slice(before)
  t.notOk(since.flat().some(({ key, value }) => key.readUInt32BE(1) === 1 && value))
  t.ok(
    since.every((operations) => operations.length <= 2_100),
    'not all at once',
  )
})

t.test('who waits for what is beside the database hears of it, though that failed at first', async (t) => {
  const { database } = fakeDatabase()
  let failures = 2
  const committer = createCommitter({
    ...{ database, onDiskFull() {}, onCommitted() {}, whenRoom: () => turn() },
    async syncBeside() {
      if (failures-- > 0) throw noSpace()
    },
    onBroken: (error) => t.fail(error.message),
  })
  let isSafe = false
  committer.whenSafe(() => {
    isSafe = true
  })
  for (let turns = 0; turns < 50 && !isSafe; turns++) await turn()
  t.ok(isSafe, 'there is nothing else to commit that would try again')
  await committer.close()
})

t.test('what waits to be written has a bound, and who waits goes on in turn', async (t) => {
  const { database } = fakeDatabase()
  const committer = committerOf(database)
  const source: Source = { collect: (batch) => batch.put(keyOf(1), Buffer.from('a')) }
  t.notOk(committer.isBusy())
  committer.touch(source, 9 * 2 ** 20)
  t.ok(committer.isBusy())
  const order: number[] = []
  for (let i = 0; i < 3; i++) {
    committer.whenCalm(() => {
      order.push(i)
      // Each of them fills it again.
      committer.touch(source, 9 * 2 ** 20)
    })
  }
  t.same(order, [])
  const seen: number[] = []
  for (let i = 0; i < 50 && order.length < 3; i++) {
    await turn()
    if (order.length > (seen.at(-1) ?? 0)) seen.push(order.length)
  }
  t.same(order, [0, 1, 2])
  t.same(seen, [1, 2, 3], 'one for each commit')
  await committer.close()
  t.notOk(committer.isBusy())
})

t.test('a log that is deleted while another one is being erased is erased too', async (t) => {
  const { database, records } = fakeDatabase()
  const committer = committerOf(database)
  const ids = [1, 2]
  const keys = ids.map((queueId) => segmentKey({ queueId, priority: 0, first: 0 }))
  await database.write(keys.map((key) => ({ key, value: key })))
  const erased: number[] = []
  const [first, second] = ids.map(
    (id): Source => ({
      collect: (batch) => batch.removeLog(id, () => erased.push(id)),
    }),
  ) as [Source, Source]
  // The second is asked for before the next commit knows that there is something to erase.
  committer.touch({ collect: () => committer.touch(second) })
  committer.touch(first)
  for (let i = 0; i < 5; i++) await safe(committer)
  t.same(erased, ids)
  t.equal(records.size, 0)
  await committer.close()
})
