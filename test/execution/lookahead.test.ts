import t from 'tap'
import { createLookahead, prefetchFor } from '../../supervisor/execution/lookahead.ts'

t.test('as many more as are handled within 20 ms', async (t) => {
  t.equal(prefetchFor(2, 5_000), 2, 'none for a handler of seconds')
  t.equal(prefetchFor(10, 21), 19)
  t.equal(prefetchFor(2, 5), 10)
  t.equal(prefetchFor(1, 1), 21)
  t.equal(prefetchFor(10, 0), 200, 'but no more than 200 in all')
  t.equal(prefetchFor(250, 0.1), 250, 'of which none are needed where as many run')
})

t.test('is told once it has changed much, and not for every handler', async (t) => {
  const told: number[] = []
  const follow = createLookahead(2, (prefetch) => told.push(prefetch))
  const times = (count: number, took: number) => {
    for (let i = 0; i < count; i++) follow(took)
  }
  times(31, 5)
  t.same(told, [], 'a few handlers tell nothing')
  times(1, 5)
  t.same(told, [10])
  times(320, 6)
  t.same(told, [10], 'a small change is not worth it')
  times(320, 1_000)
  t.equal(told.at(-1), 2, 'back to what runs')
  times(640, 0.1)
  t.ok((told.at(-1) as number) > 130, 'to nearly the most')
})

t.test('a slow handler has nothing at hand', async (t) => {
  const follow = createLookahead(4, (prefetch) => t.fail(`told ${prefetch}`))
  for (let i = 0; i < 100; i++) follow(100)
  t.pass()
})
