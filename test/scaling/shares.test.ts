import fc from 'fast-check'
import t from 'tap'
import { partOf, share } from '../../supervisor/scaling/shares.ts'

const names = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', 'c', '-', '1', 'ü') })
const wants = fc.uniqueArray(fc.tuple(names, fc.nat(12)), { selector: ([name]) => name, maxLength: 12 })
const ceilings = fc.integer({ min: -5, max: 60 })
/** The same entries in another order. */
const shuffled = wants.chain((entries) =>
  fc.tuple(fc.constant(entries), fc.shuffledSubarray(entries, { minLength: entries.length })),
)

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)
const shared = (wanted: Record<string, number>, ceiling: number) =>
  Object.fromEntries(share(new Map(Object.entries(wanted)), ceiling))

t.test('examples', async (t) => {
  t.same(shared({ a: 2, b: 3 }, 5), { a: 2, b: 3 }, 'enough for all')
  t.same(shared({ a: 1, b: 9, c: 9 }, 7), { a: 1, b: 3, c: 3 }, 'what the modest leave is divided')
  t.same(shared({ a: 9, b: 9, c: 9 }, 7), { a: 3, b: 2, c: 2 }, 'a remainder')
  t.same(shared({ c: 1, b: 1, a: 1 }, 2), { a: 1, b: 1, c: 0 }, 'by name where it does not do for one each')
  t.same(shared({ a: 0, b: 4 }, 3), { a: 0, b: 3 }, 'one that wants none takes none')
  t.same(shared({ a: 4 }, 0), { a: 0 })
  t.same(shared({}, 4), {})
})

t.test(
  'never more than the ceiling in all, nor more than wanted; and the whole ceiling where that is wanted',
  async () => {
    fc.assert(
      fc.property(wants, ceilings, (entries, ceiling) => {
        const wanted = new Map(entries)
        const shares = share(wanted, ceiling)
        const isWithin = [...wanted].every(([name, want]) => {
          const got = shares.get(name)
          return got !== undefined && Number.isInteger(got) && got >= 0 && got <= want
        })
        return isWithin && sum(shares.values()) === Math.min(sum(wanted.values()), Math.max(ceiling, 0))
      }),
      { numRuns: 1_000 },
    )
  },
)

t.test('whoever gets less than it wants gets as many as anybody, but for a remainder of one', async () => {
  fc.assert(
    fc.property(wants, ceilings, (entries, ceiling) => {
      const shares = share(new Map(entries), ceiling)
      const most = Math.max(0, ...shares.values())
      return entries.every(([name, want]) => {
        const got = shares.get(name) ?? 0
        return got === want || got >= most - 1
      })
    }),
    { numRuns: 1_000 },
  )
})

t.test(
  'one that wants more does not get less, and another one that comes does not give to those that were there',
  async () => {
    fc.assert(
      fc.property(wants, ceilings, names, fc.nat(12), (entries, ceiling, name, more) => {
        const before = share(new Map(entries), ceiling)
        const had = new Map(entries).get(name)
        const after = share(new Map([...entries, [name, (had ?? 0) + more] as const]), ceiling)
        const own = (after.get(name) ?? 0) >= (before.get(name) ?? 0) - 1
        // But for the remainder, which may change hands.
        return (
          own && entries.every(([other]) => other === name || (after.get(other) ?? 0) <= (before.get(other) ?? 0) + 1)
        )
      }),
      { numRuns: 1_000 },
    )
  },
)

t.test('the same whatever the order', async () => {
  fc.assert(
    fc.property(shuffled, ceilings, ([entries, others], ceiling) => {
      const one = share(new Map(entries), ceiling)
      const other = share(new Map(others), ceiling)
      return [...one].every(([name, got]) => other.get(name) === got)
    }),
    { numRuns: 500 },
  )
})

const machines = fc.uniqueArray(names, { minLength: 1, maxLength: 10 })

t.test("the machines' parts are all of it, and differ by one at most", async () => {
  fc.assert(
    fc.property(machines, names, fc.nat(1_000), (machines, worker, total) => {
      const parts = machines.map((own) => partOf(total, worker, machines, own))
      return sum(parts) === total && Math.max(...parts) - Math.min(...parts) <= 1
    }),
    { numRuns: 1_000 },
  )
})

t.test('a part does not depend on the order of the machines', async () => {
  const orders = machines.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  )
  fc.assert(
    fc.property(orders, names, fc.nat(100), ([list, other], worker, total) =>
      list.every((own) => partOf(total, worker, list, own) === partOf(total, worker, other, own)),
    ),
    { numRuns: 500 },
  )
})

t.test('the single instances of many workers are not all on one machine', async (t) => {
  const three = ['alpha', 'beta', 'gamma']
  const workers = Array.from({ length: 300 }, (_, index) => `worker-${index}`)
  const counts = three.map((own) => sum(workers.map((worker) => partOf(1, worker, three, own))))
  t.equal(sum(counts), 300)
  t.ok(
    counts.every((count) => count > 60),
    `each machine has many: ${counts}`,
  )
})
