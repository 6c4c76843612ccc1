import t from 'tap'
import { createLine, type Standing } from '../../supervisor/base/line.ts'

interface Item extends Standing<Item> {
  n: number
}
const item = (n: number): Item => ({ n, before: undefined, after: undefined })

t.test('does what a set does, in order of arrival', async (t) => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed % below
  }
  const line = createLine<Item>()
  const model = new Set<Item>()
  const items = Array.from({ length: 30 }, (_, n) => item(n))
  for (let step = 0; step < 3_000; step++) {
    const one = items[random(items.length)] as Item
    if (model.has(one) || random(3) === 0) {
      if (line.delete(one) !== model.delete(one)) t.fail(`step ${step}: delete`)
    } else {
      line.add(one)
      model.add(one)
    }
    if (line.size !== model.size || line.first !== [...model][0]) t.fail(`step ${step}: size or first`)
    if (step % 10 === 0)
      t.same(
        [...line].map(({ n }) => n),
        [...model].map(({ n }) => n),
        `step ${step}`,
      )
  }
})

t.test('what has left keeps no link, and may leave while the line is looked at', async (t) => {
  const line = createLine<Item>()
  const items = [item(1), item(2), item(3)]
  for (const one of items) line.add(one)
  const seen: number[] = []
  for (const one of line) {
    seen.push(one.n)
    line.delete(one)
  }
  t.same(seen, [1, 2, 3])
  t.equal(line.size, 0)
  for (const { before, after } of items) t.same([before, after], [undefined, undefined])
  for (const one of items) line.add(one)
  line.clear()
  t.same([...line], [])
})
