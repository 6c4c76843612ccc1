// The simulator's word against the product's: one scenario, simulated and run for real. `npm run test:scaling-real` takes
// two minutes for it; without WARREN_SCENARIO_SECONDS it is faster, and more generous. They agree if every message is
// handled, if as many instances are desired and there at most, if all sleep at the end, and if the area between the two
// curves of processes is a small part of the area under the simulated one. The simulator is told how long this machine
// takes to start a process, as measured in the run; nothing else is fitted.
import t from 'tap'
import { area, type Curve, columnsOf, PAIR, pair, timeAxis } from './simulator/chart.ts'
import { areaBetween, areaUnder } from './simulator/compare.ts'
import { runReal, startReal } from './simulator/real.ts'
import { realScenario } from './simulator/scenarios.ts'
import { simulate } from './simulator/simulate.ts'

// @long

/** Seconds of the scenario in full. */
const FULL = 120
const seconds = Number(process.env.WARREN_SCENARIO_SECONDS ?? 24)
/** How much of the simulated curve's area may lie between the curves of a scenario in full. */
const TOLERANCE = 0.15

t.setTimeout(seconds * 1_000 + 100_000)

t.test('the product does what the simulator says', async (t) => {
  const scenario = realScenario(seconds)
  const project = await startReal(t, scenario)
  const real = await runReal(project, scenario)
  const [course] = simulate(scenario, { startUp: real.startUp })
  const samples = course?.samples ?? []
  const curve = (of: 'actual' | 'desired' | 'backlog'): Curve => samples.map((one) => ({ at: one.at, value: one[of] }))
  const simulated = { actual: curve('actual'), desired: curve('desired'), backlog: curve('backlog') }

  const most = (curve: Curve) => Math.max(...curve.map(({ value }) => value))
  const between = areaBetween(real.actual, simulated.actual, seconds)
  const under = areaUnder(simulated.actual, seconds)
  const part = between / under
  const width = columnsOf(100)
  const legend = `${PAIR.both} both  ${PAIR.first} for real only  ${PAIR.second} simulated only`
  const panel = (title: string, one: Curve, other: Curve) =>
    pair(one, other, { title: `${title}   ${legend}`, seconds, width }, scenario.workloads[0].scale.max)
  const picture = [
    ...area(real.backlog, { title: 'backlog for real, messages that wait', seconds, width }, 4),
    ...area(simulated.backlog, { title: 'backlog simulated', seconds, width }, 4),
    ...panel('desired', real.desired, simulated.desired),
    ...panel('actual', real.actual, simulated.actual),
    ...timeAxis(seconds, width),
  ]
  for (const line of picture) t.comment(line)
  t.comment(
    `${real.sent} messages; between the curves of actual ${between.toFixed(1)} of ${under.toFixed(1)} instance seconds, ` +
      `${(part * 100).toFixed(1)} %; a start took ${real.startUp} ms`,
  )

  t.equal(real.handled, real.sent, 'every message was handled, once')
  t.equal(most(real.actual), most(simulated.actual), 'as many instances at most')
  t.equal(most(real.desired), most(simulated.desired), 'as many desired at most')
  t.equal(simulated.actual.at(-1)?.value, 0, 'asleep at the end, as the real one is')
  const differ = `the curves differ by ${(part * 100).toFixed(1)} % of the area`
  // A busy machine has a curve of its own.
  if (seconds >= FULL) t.ok(part <= TOLERANCE, `${differ}, of at most ${TOLERANCE * 100} %`)
  else t.comment(differ)
})
