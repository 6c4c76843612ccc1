// More workers with work than places for them: all of them get on, and nobody starts and ends all the time.
import fc from 'fast-check'
import t from 'tap'
import type { Placement, Running } from '../../supervisor/scaling/plan.ts'
import { divide, followTurns, START_MS, TURN_MS, type Turns } from '../../supervisor/scaling/turns.ts'
import { type Course, simulate } from './simulator/simulate.ts'
import type { Workload } from './simulator/workload.ts'

type Phase = Running['phase']

function worker(name: string, needed: number, wanted: number, phases: readonly Phase[], isReady = true): Placement {
  return { name, needed, wanted, instances: phases.map((phase, id) => ({ id, phase, inProgress: 0, isReady })) }
}

/** A worker with work that has an instance, or waits for one. */
const works = (name: string) => worker(name, 1, 1, ['live'])
const waits = (name: string) => worker(name, 1, 1, ['asleep'])
const starts = (name: string) => worker(name, 1, 1, ['live'], false)
const idles = (name: string) => worker(name, 0, 1, ['live'])

/** Who has a place, after each of these moments. */
function places(ceiling: number, moments: readonly (readonly [at: number, placements: readonly Placement[]])[]) {
  let turns: Turns = new Map()
  return moments.map(([at, placements]) => {
    turns = followTurns(turns, placements, at)
    const shares = divide(placements, ceiling, turns, at)
    return [...shares].flatMap(([name, { goal }]) => (goal > 0 ? [name] : [])).join(' ')
  })
}

t.test('an idle one yields its place at once to one that waits', async (t) => {
  t.same(places(2, [[0, [idles('a'), works('b'), waits('c')]]]), ['b c'])
  t.same(places(2, [[0, [idles('a'), idles('b'), waits('c'), waits('d')]]]), ['c d'])
  t.same(places(3, [[0, [idles('a'), works('b'), waits('c')]]]), ['a b c'], 'only where there is none left')
  const shares = divide([idles('a'), waits('b')], 1)
  t.same(
    [...shares],
    [
      ['a', { goal: 0, short: 'idle' }],
      ['b', { goal: 1 }],
    ],
  )
})

t.test('a busy one yields when its turn is over, and not before', async (t) => {
  const some = [works('a'), works('b'), waits('c')]
  const found = places(2, [
    [0, [works('a'), waits('b'), waits('c')]],
    [5_000, some],
    [TURN_MS - 1, some],
    [TURN_MS, some],
  ])
  t.same(found, ['a b', 'a b', 'a b', 'b c'], 'the one whose turn is over for longest')
  t.same(
    [...divide([works('a'), waits('b')], 1)],
    [
      ['a', { goal: 1 }],
      ['b', { goal: 0, short: 'turn' }],
    ],
  )
})

t.test('who has waited longest comes first', async (t) => {
  const found = places(1, [
    [0, [works('a'), waits('z')]],
    [1_000, [works('a'), waits('z'), waits('b')]],
    [TURN_MS, [works('a'), waits('z'), waits('b')]],
    [TURN_MS + 100, [waits('a'), works('z'), waits('b')]],
    [2 * TURN_MS + 100, [waits('a'), works('z'), waits('b')]],
    [2 * TURN_MS + 200, [waits('a'), waits('z'), works('b')]],
    [3 * TURN_MS + 200, [waits('a'), waits('z'), works('b')]],
  ])
  t.same(found, ['a', 'a', 'z', 'z', 'b', 'b', 'a'])
})

t.test("who has just had a turn takes nobody else's, but a place that is free", async (t) => {
  const long = [works('a'), works('b'), works('c')]
  const found = places(3, [
    [0, long],
    [60_000, [...long, waits('d')]],
    [60_100, [works('a'), works('b'), waits('c'), works('d')]],
    [60_000 + TURN_MS, [works('a'), works('b'), waits('c'), works('d')]],
    [60_100 + TURN_MS, [works('a'), works('b'), waits('c'), works('d')]],
  ])
  t.same(found, ['a b c', 'a b d', 'a b d', 'a b d', 'a c d'])
  t.same(
    places(1, [
      [0, [works('a')]],
      [TURN_MS, [works('a'), waits('b')]],
      [11_000, [waits('a')]],
    ]).at(-1),
    'a',
  )
})

t.test('a turn begins when the process takes messages, or at last when it should have', async (t) => {
  const found = places(1, [
    [0, [starts('a'), waits('b')]],
    [TURN_MS * 2, [starts('a'), waits('b')]],
    [TURN_MS * 2 + 1, [works('a'), waits('b')]],
    [TURN_MS * 3, [works('a'), waits('b')]],
    [TURN_MS * 3 + 1, [works('a'), waits('b')]],
  ])
  t.same(found, ['a', 'a', 'a', 'a', 'b'])
  t.same(
    places(1, [
      [0, [starts('a'), waits('b')]],
      [START_MS, [starts('a'), waits('b')]],
    ]),
    ['a', 'b'],
    'one that does not start keeps nobody else away',
  )
})

const SECONDS = 120

interface Crowd {
  ceiling: number
  workloads: [Workload, ...Workload[]]
}

/** Workers that have more work than one instance does, and some that have a message now and then. */
const crowds: fc.Arbitrary<Crowd> = fc
  .record({
    ceiling: fc.integer({ min: 1, max: 5 }),
    workers: fc.array(
      fc.record({
        isRare: fc.boolean(),
        min: fc.nat(1),
        max: fc.integer({ min: 1, max: 3 }),
        serviceMs: fc.integer({ min: 50, max: 2_000 }),
        every: fc.integer({ min: 5, max: 60 }),
      }),
      { minLength: 1, maxLength: 7 },
    ),
  })
  .map(({ ceiling, workers }) => {
    const workloads = workers.map(({ isRare, min, max, serviceMs, every }, index): Workload => {
      const scale = { min, max, messagesPerInstance: 10, cooldown: 60_000 }
      const rate = (second: number) => (isRare ? (Math.floor(second) % every === 1 ? 1 : 0) : 6_000 / serviceMs)
      return { worker: `worker-${index}`, scale, concurrency: 5, serviceMs, rate }
    })
    // The model begins with all that `min` says: no more than there are places for.
    const fitting = workloads.map((one, index) => (index < ceiling ? one : { ...one, scale: { ...one.scale, min: 0 } }))
    return { ceiling, workloads: fitting as [Workload, ...Workload[]] }
  })

/** Seconds for which a worker has had messages waiting and no instance, at most. */
function longestGap({ samples }: Course): number {
  let longest = 0
  let since: number | undefined
  for (const { at, backlog, live } of samples) {
    if (backlog > 0 && live === 0) since ??= at
    else since = undefined
    longest = Math.max(longest, since === undefined ? 0 : at - since)
  }
  return longest
}

t.test('whoever has work has a turn soon, and places do not change hands all the time', async () => {
  fc.assert(
    fc.property(crowds, ({ ceiling, workloads }) => {
      const courses = simulate({ name: 'crowd', what: '', seconds: SECONDS, ceiling, workloads })
      // A turn, the message that is under way, and the processes' end and start.
      const turn = 10 + 2 + 1
      const bound = (Math.ceil(workloads.length / ceiling) + 1) * turn
      for (const course of courses) {
        const gap = longestGap(course)
        const { worker } = course.workload
        if (gap > bound) throw new Error(`${worker} has waited for ${gap} s; ${bound} s are enough`)
      }
      const starts = courses.flatMap(({ changes }) =>
        changes.filter(({ kind }) => kind === 'add' || kind === 'wake').map(({ at }) => at),
      )
      for (const from of starts) {
        const within = starts.filter((at) => at >= from && at < from + 60).length
        // A place that is idle for 5 s goes to another worker, and one that is busy after 10 s.
        const most = ceiling * 12 + workloads.length
        if (within > most) throw new Error(`${within} starts within a minute under a ceiling of ${ceiling}`)
      }
    }),
    { numRuns: 30 },
  )
})
