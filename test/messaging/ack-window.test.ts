import t from 'tap'
import { createAckWindow } from '../../supervisor/messaging/ack-window.ts'

function windowOf(count: number) {
  const window = createAckWindow()
  for (let tag = 1; tag <= count; tag++) window.delivered(tag)
  return window
}

t.test('a contiguous prefix is one ack, whatever order it was handled in', async (t) => {
  const window = windowOf(5)
  for (const tag of [3, 1, 2]) window.handled(tag)
  t.strictSame(window.take(), { upTo: 3, single: [] })
  t.strictSame(window.take(), { upTo: undefined, single: [] })
  for (const tag of [5, 4]) window.handled(tag)
  t.strictSame(window.take(), { upTo: 5, single: [] })
})

t.test('deliveries beyond one that is still being handled are acked singly', async (t) => {
  const window = windowOf(5)
  for (const tag of [1, 3, 5]) window.handled(tag)
  t.strictSame(window.take(), { upTo: 1, single: [3, 5] })
  window.handled(2)
  t.strictSame(window.take(), { upTo: 2, single: [] })
  window.handled(4)
  t.strictSame(window.take(), { upTo: 4, single: [] })
})

t.test('what was given back is never acked and does not hold the prefix up', async (t) => {
  const window = windowOf(3)
  window.returned(2)
  window.handled(3)
  window.handled(1)
  window.handled(2)
  t.strictSame(window.take(), { upTo: 3, single: [] })
})

t.test('what is outstanding and what is due are counted', async (t) => {
  const window = windowOf(4)
  t.same([window.outstanding, window.due], [4, 0])
  window.handled(3)
  window.handled(1)
  window.returned(2)
  t.same([window.outstanding, window.due], [1, 2])
  window.take()
  t.same([window.outstanding, window.due], [1, 0])
})

t.test('a delivery is acked once', async (t) => {
  const window = windowOf(1)
  window.handled(1)
  window.handled(1)
  t.strictSame(window.take(), { upTo: 1, single: [] })
  window.handled(1)
  t.strictSame(window.take(), { upTo: undefined, single: [] })
})

t.test('any order of handling acks every delivery exactly once', async (t) => {
  let seed = 42
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed / 2_147_483_647
  }
  for (let round = 0; round < 200; round++) {
    const count = 1 + Math.floor(random() * 40)
    const window = windowOf(count)
    const acked = new Set<number>()
    const order = Array.from({ length: count }, (_, i) => i + 1).sort(() => random() - 0.5)
    const handled = new Set<number>()
    for (const tag of order) {
      window.handled(tag)
      handled.add(tag)
      if (random() < 0.5) take()
    }
    take()
    t.equal(acked.size, count, `round ${round}`)

    function take() {
      const { upTo = 0, single } = window.take()
      for (let tag = 1; tag <= upTo; tag++) {
        if (!handled.has(tag)) t.fail(`acked ${tag}, which is not handled`)
        acked.add(tag)
      }
      for (const tag of single) {
        if (!handled.has(tag) || acked.has(tag)) t.fail(`acked ${tag} wrongly`)
        acked.add(tag)
      }
    }
  }
})
