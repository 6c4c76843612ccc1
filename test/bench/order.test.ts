import t from 'tap'
import { orderOf } from './order.ts'

for (const count of [2, 3, 4, 5, 6, 7]) {
  t.test(`${count} sides: each is at every place, and follows each other one, equally often`, async (t) => {
    const rounds = count % 2 === 0 ? count : 2 * count
    const orders = Array.from({ length: rounds }, (_, round) => orderOf(round, count))
    const places = orders.flatMap((order) => order.map((side, place) => `${side} at ${place}`))
    const pairs = orders.flatMap((order) => order.slice(1).map((side, place) => `${side} after ${order[place]}`))
    t.same(timesOf(places), { kinds: count * count, times: [rounds / count] })
    t.same(timesOf(pairs), { kinds: count * (count - 1), times: [rounds / count] })
  })
}

t.test('one side alone', async (t) => t.same([orderOf(0, 1), orderOf(1, 1)], [[0], [0]]))

function timesOf(found: readonly string[]): { kinds: number; times: number[] } {
  const counts = new Map<string, number>()
  for (const one of found) counts.set(one, (counts.get(one) ?? 0) + 1)
  return { kinds: counts.size, times: [...new Set(counts.values())] }
}
