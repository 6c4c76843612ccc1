import t from 'tap'
import { createDeadlines, type Timed } from '../../supervisor/execution/deadlines.ts'

interface Item extends Timed<Item> {
  n: number
}
const item = (n: number): Item => ({ n, began: performance.now(), before: undefined, after: undefined })

t.test('each ends at its own time, in order, and none before', async (t) => {
  const ended: { n: number; after: number }[] = []
  let done = () => {}
  const allEnded = new Promise<void>((resolve) => {
    done = resolve
  })
  const deadlines = createDeadlines<Item>(60, ({ n, began }) => {
    ended.push({ n, after: performance.now() - began })
    if (ended.length === 3) done()
  })
  deadlines.add(item(1))
  const early = item(2)
  deadlines.add(early)
  await new Promise((resolve) => setTimeout(resolve, 20))
  deadlines.add(item(3))
  deadlines.delete(early)
  await new Promise((resolve) => setTimeout(resolve, 20))
  deadlines.add(item(4))
  await allEnded
  t.same(
    ended.map(({ n }) => n),
    [1, 3, 4],
  )
  for (const { n, after } of ended) t.ok(after >= 60, `${n} after ${after} ms`)
})

t.test('one that is added after all have left has its whole time', async (t) => {
  let ended = 0
  const deadlines = createDeadlines<Item>(60, ({ began }) => {
    ended = performance.now() - began
  })
  const first = item(1)
  deadlines.add(first)
  deadlines.delete(first)
  await new Promise((resolve) => setTimeout(resolve, 40))
  deadlines.add(item(2))
  await new Promise((resolve) => setTimeout(resolve, 40))
  t.equal(ended, 0, 'the timer of the first one did not end it')
  t.same(
    [...deadlines].map(({ n }) => n),
    [2],
  )
  await new Promise<void>(function look(resolve) {
    if (ended > 0) resolve()
    else setTimeout(look, 5, resolve)
  })
  t.ok(ended >= 60)
})
