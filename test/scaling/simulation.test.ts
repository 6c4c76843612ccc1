// The policy and the plan in a closed loop: what they start works the load off, which is what they decide by.
import fc from 'fast-check'
import t from 'tap'
import { randomScenario, realScenario, scenarios } from './simulator/scenarios.ts'
import { type Course, simulate } from './simulator/simulate.ts'
import type { Scenario } from './simulator/workload.ts'

/** Of a scenario's worker: how many are there at most, are started in all, and how much waits, for how long. */
interface Expected {
  most: number
  starts: number
  backlog: number
  /** Seconds. */
  wait: number
}

const EXPECTED: Record<string, Expected> = {
  steady: { most: 1, starts: 0, backlog: 5, wait: 0.1 },
  high: { most: 3, starts: 2, backlog: 250, wait: 2.5 },
  ramp: { most: 3, starts: 2, backlog: 250, wait: 2.5 },
  burst: { most: 4, starts: 4, backlog: 3_500, wait: 18 },
  sawtooth: { most: 2, starts: 1, backlog: 150, wait: 2 },
  night: { most: 3, starts: 3, backlog: 250, wait: 3 },
  flooded: { most: 4, starts: 4, backlog: 9_000, wait: 90 },
  modest: { most: 2, starts: 2, backlog: 150, wait: 2.5 },
  'busy-1': { most: 1, starts: 5, backlog: 200, wait: 10 },
  'busy-2': { most: 1, starts: 5, backlog: 200, wait: 10 },
  'busy-3': { most: 1, starts: 5, backlog: 200, wait: 10 },
  'rare-1': { most: 1, starts: 3, backlog: 2, wait: 12 },
  'rare-2': { most: 1, starts: 3, backlog: 2, wait: 12 },
  'rare-3': { most: 1, starts: 3, backlog: 2, wait: 12 },
  random: { most: 6, starts: 17, backlog: 300, wait: 2 },
  recorded: { most: 4, starts: 6, backlog: 400, wait: 4 },
  job: { most: 3, starts: 5, backlog: 150, wait: 4 },
}

for (const [name, scenario] of scenarios()) {
  t.test(`${name}: ${scenario.what}`, async (t) => {
    const courses = simulate(scenario)
    t.same(problems(scenario, courses), [])
    for (const course of courses) {
      const { worker } = course.workload
      const expected = EXPECTED[worker] as Expected
      const found = { ...figures(course), wait: course.longestWait / 1_000 }
      t.ok(found.most <= expected.most, `${worker}: at most ${expected.most} instances, ${found.most}`)
      t.ok(found.starts <= expected.starts, `${worker}: at most ${expected.starts} starts, ${found.starts}`)
      t.ok(found.backlog <= expected.backlog, `${worker}: at most ${expected.backlog} wait, ${found.backlog}`)
      t.ok(found.wait <= expected.wait, `${worker}: for ${expected.wait} s at most, ${found.wait.toFixed(2)} s`)
    }
  })
}

t.test('a neighbour that is flooded leaves a modest worker what it needs', async (t) => {
  const [flooded, modest] = simulate(scenarios().get('crowded') as Scenario)
  const alone = scenarios().get('crowded') as Scenario
  const [undisturbed] = simulate({ ...alone, workloads: [alone.workloads[1] ?? alone.workloads[0]] })
  t.ok((flooded?.longestWait ?? 0) > 60_000, 'it is flooded')
  t.ok((modest?.longestWait ?? 1e9) <= (undisturbed?.longestWait ?? 0) + 1_000, 'and the other one hardly waits longer')
})

t.test('the first of a burst is handled as soon as a process has started', async (t) => {
  const [course] = simulate(scenarios().get('burst') as Scenario)
  const first = course?.samples.find(({ arrived, backlog }) => arrived - backlog > 0)
  t.ok((first?.at ?? 1e9) - 30 <= 0.6, `after ${(first?.at ?? 1e9) - 30} s`)
})

t.test('the same scenario has the same course', async (t) => {
  t.same(simulate(randomScenario(7)), simulate(randomScenario(7)))
})

t.test('random loads: all of it is handled, within the bounds, and the end is the minimum', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 2 }), (seed) => {
      const scenario = randomScenario(seed)
      const found = problems(scenario, simulate(scenario))
      if (found.length > 0) throw new Error(found.join('\n'))
    }),
    { numRuns: 20 },
  )
})

t.test('a steady load, whatever its height: instances do not come and go with it', async () => {
  const loads = fc.record({
    min: fc.nat(1),
    max: fc.integer({ min: 1, max: 6 }),
    messagesPerInstance: fc.integer({ min: 5, max: 200 }),
    concurrency: fc.integer({ min: 1, max: 20 }),
    serviceMs: fc.integer({ min: 5, max: 400 }),
    part: fc.double({ min: 0, max: 0.9, noNaN: true }),
  })
  fc.assert(
    fc.property(loads, ({ min, max, messagesPerInstance, concurrency, serviceMs, part }) => {
      // Between two instances' worth, a load needs the upper one only now and then: once in a cooldown is enough.
      const scale = { min, max, messagesPerInstance, cooldown: 30_000 }
      // One that comes less often than the cooldown lasts is not steady to the policy.
      const rate = Math.min(Math.max((part * max * concurrency * 1_000) / serviceMs, 1), 200)
      const workload = { worker: 'steady', scale, concurrency, serviceMs, rate: () => rate }
      const [course] = simulate({ name: 'steady', what: '', seconds: 200, ceiling: 8, workloads: [workload] })
      // Three cooldowns. A load that is hardly more than its instances can do has its backlog so late, once.
      const kinds = course?.changes.filter(({ at }) => at > 110).map(({ kind }) => kind)
      const starts = kinds?.filter((kind) => kind === 'add' || kind === 'wake') ?? []
      if (starts.length > 1) throw new Error(`${rate} a second: ${kinds}`)
    }),
    { numRuns: 25 },
  )
})

t.test('in less time it is the same scenario', async (t) => {
  for (const seconds of [20, 24, 60, 120]) {
    const [course] = simulate(realScenario(seconds))
    t.match(figures(course as Course), { most: 3, starts: 5 }, `${seconds} s`)
  }
})

function figures({ samples, changes }: Course) {
  return {
    most: Math.max(...samples.map(({ actual }) => actual)),
    starts: changes.filter(({ kind }) => kind === 'add' || kind === 'wake').length,
    backlog: Math.max(...samples.map(({ backlog }) => backlog)),
  }
}

/** What no scenario may show. */
function problems({ ceiling }: Scenario, courses: readonly Course[]): string[] {
  const found = courses.flatMap(({ workload: { worker, scale }, samples, arrived, handled }) => {
    const last = samples.at(-1)
    const outOfBounds = samples.find(
      (one) => one.desired < scale.min || one.desired > scale.max || one.live > scale.max,
    )
    const early = fallsEarly(samples, scale.cooldown / 1_000)
    return [
      ...(outOfBounds ? [`${worker} is out of bounds: ${JSON.stringify(outOfBounds)}`] : []),
      ...(early === undefined ? [] : [`${worker} goes in ${early} s after it went out`]),
      ...(handled === arrived || last?.inProgress ? [] : [`${worker} has handled ${handled} of ${arrived}`]),
      ...(last && last.backlog > 0 ? [`${worker} has a backlog of ${last.backlog} at the end`] : []),
      ...(last?.desired === scale.min && last.actual === scale.min ? [] : [`${worker} ends at ${last?.actual}`]),
    ]
  })
  const totals = courses[0]?.samples.map((_, i) =>
    courses.reduce((sum, { samples }) => sum + (samples[i]?.actual ?? 0), 0),
  )
  const above = totals?.find((total) => total > ceiling)
  return above === undefined ? found : [...found, `${above} processes under a ceiling of ${ceiling}`]
}

/** Seconds from a rise of the desired number to a fall, where that is within the cooldown. */
function fallsEarly(samples: Course['samples'], cooldown: number): number | undefined {
  let rise = Number.NEGATIVE_INFINITY
  for (const [index, { at, desired }] of samples.entries()) {
    const before = samples[index - 1]?.desired ?? desired
    if (desired > before) rise = at
    if (desired < before && at - rise < cooldown - 1e-6) return at - rise
  }
  return undefined
}
