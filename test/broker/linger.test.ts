import t from 'tap'
import { linger } from '../../supervisor/broker/linger.ts'
import { promised } from '../helpers/promised.ts'

/** How long it lingers, in milliseconds, and whether to its deadline, with clients that change at the given times. */
async function lingers(deadlineMs: number, ...course: [ms: number, connections: number, consumers: number][]) {
  const began = performance.now()
  const now = () => {
    const [, connections, consumers] = course.findLast(([ms]) => ms <= performance.now() - began) ?? [0, 0, 0]
    return { connections, consumers }
  }
  const deadline = AbortSignal.timeout(deadlineMs)
  await linger(now, deadline)
  return { ms: performance.now() - began, isOver: deadline.aborted }
}

t.test('a broker that is told to end', async (t) => {
  t.jobs = 8
  const about = (name: string, from: number, to: number, ...args: Parameters<typeof lingers>) => {
    t.test(name, { buffered: true }, async (t) => {
      const { ms, isOver } = await lingers(...args)
      t.ok(ms >= from, `${Math.round(ms)} ms`)
      t.equal(isOver, args[0] < from, 'for its deadline')
      promised(t, ms, to, name)
    })
  }
  about('does so at once without clients', 0, 100, 90_000, [0, 0, 0])
  about('waits for those who drain', 2_900, 3_500, 90_000, [0, 6, 3], [100, 6, 0], [2_500, 2, 0], [3_000, 0, 0])
  about(
    'waits for those who are told one by one',
    4_900,
    5_500,
    90_000,
    [0, 6, 3],
    [1_500, 5, 2],
    [3_300, 4, 1],
    [5_000, 0, 0],
  )
  about('goes soon where somebody goes on consuming', 1_900, 3_500, 90_000, [0, 6, 3])
  about('waits no longer than drains take', 1_400, 2_500, 500, [0, 6, 0])
})
