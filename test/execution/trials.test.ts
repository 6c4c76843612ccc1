import fc from 'fast-check'
import t from 'tap'
import { createTrials } from '../../supervisor/execution/trials.ts'

const SEED = Number(process.env.WARREN_SEED ?? 1)

/** Runs all trials of suspects of which some end their process when they run by themselves. @returns rounds, and who was charged */
function play(count: number, poison: ReadonlySet<number>, isTogether = true) {
  const trials = createTrials<number>({ isTogether })
  for (let n = 0; n < count; n++) trials.add(n, false)
  const free = new Set<number>()
  const charged: number[] = []
  const most = new Map<number, number>()
  let processes = 0
  for (let batch = trials.next(); batch; batch = trials.next()) {
    processes++
    const { members } = batch
    for (const one of members) most.set(one, (most.get(one) ?? 0) + 1)
    if (!members.some((one) => poison.has(one))) for (const one of members) free.add(one)
    else if (members.length === 1) charged.push(members[0] as number)
    else trials.split(members)
  }
  return { free, charged, processes, rounds: Math.max(0, ...most.values()) }
}

t.test(
  'whoever ends its process is found, alone, and all others are free in rounds that grow with their logarithm',
  async (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.nat(4_999), { maxLength: 4 }), (count, at) => {
        const poison = new Set(at.map((n) => n % count))
        const { free, charged, rounds, processes } = play(count, poison)
        const halvings = Math.ceil(Math.log2(count))
        return (
          new Set(charged).size === charged.length &&
          charged.length === poison.size &&
          charged.every((one) => poison.has(one)) &&
          free.size === count - poison.size &&
          rounds <= halvings + 1 &&
          processes <= 1 + 2 * halvings * Math.max(poison.size, 1)
        )
      }),
      { seed: SEED, numRuns: 300 },
    )
    t.pass('held')
  },
)

t.test('4,999 innocents and one that is not: 14 rounds', async (t) => {
  const { rounds, processes, charged } = play(5_000, new Set([1_234]))
  t.ok(rounds <= 14, `${rounds} rounds`)
  t.ok(processes <= 27, `${processes} processes`)
  t.strictSame(charged, [1_234])
})

t.test('threads: each runs by itself from the start', async (t) => {
  t.match(play(10, new Set([3]), false), { rounds: 1, processes: 10, charged: [3] })
})

t.test('one that has ended a process before runs by itself; what joins waits while halves are tried', async (t) => {
  const trials = createTrials<string>({ isTogether: true })
  trials.add('a', false)
  trials.add('known', true)
  t.strictSame(trials.more(), [], 'nothing joins a process while another waits for its own')
  t.strictSame(trials.next(), { members: ['known'], isClosed: true })
  t.strictSame(trials.next(), { members: ['a'], isClosed: false })
  trials.add('b', false)
  t.strictSame(trials.more(), ['b'])
  trials.split(['a', 'b', 'c'])
  t.equal(trials.waiting, 3)
  t.ok(trials.remove('b'))
  t.notOk(trials.remove('b'))
  const batch = trials.next()
  t.strictSame(batch, { members: ['a'], isClosed: true })
  if (batch) trials.again(batch)
  t.strictSame(trials.next(), batch)
})
