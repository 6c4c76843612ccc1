import t from 'tap'
import { createLookahead, prefetchFor } from '../../supervisor/execution/lookahead.ts'

t.test('as many more as are handled within 20 ms', async (t) => {
  t.equal(prefetchFor(2, 5_000, 100), 2, 'none for a handler of seconds')
  t.equal(prefetchFor(10, 21, 100), 19)
  t.equal(prefetchFor(2, 5, 100), 10)
  t.equal(prefetchFor(1, 1, 100), 21)
  t.equal(prefetchFor(10, 0, 100), 500, 'but no more than 500 in all')
  t.equal(prefetchFor(500, 0.1, 100), 500, 'of which none are needed where as many run')
  t.equal(prefetchFor(10, 0, 2 ** 20), 26, 'nor more than 16 MB')
  t.equal(prefetchFor(10, 0, 2 ** 25), 10, 'and none of what is larger than that')
  t.equal(prefetchFor(10, 0, 0), 500, 'a body may be empty')
})

t.test('is told once it has changed much, and not for every handler', async (t) => {
  const told: number[] = []
  const follow = createLookahead(2, (prefetch) => told.push(prefetch))
  const times = (count: number, took: number) => {
    for (let i = 0; i < count; i++) follow(took, 100)
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
  t.ok((told.at(-1) as number) > 330, 'to nearly the most')
})

t.test('the sizes of messages count too', async (t) => {
  const told: number[] = []
  const follow = createLookahead(2, (prefetch) => told.push(prefetch))
  for (let i = 0; i < 320; i++) follow(0.1, 2 ** 20)
  t.equal(told.at(-1), 18)
})

t.test('a slow handler has nothing at hand', async (t) => {
  const follow = createLookahead(4, (prefetch) => t.fail(`told ${prefetch}`))
  for (let i = 0; i < 100; i++) follow(100, 100)
  t.pass()
})
