// `node dist/test/scaling/simulator/draw.js [SCENARIO] [--seed N] [--recorded FILE] [--svg FILE]`: a picture of what the
// autoscaler does with a load.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { area, type Curve, columnsOf, PAIR, pair, timeAxis } from './chart.ts'
import { randomScenario, recordedScenario, scenarios } from './scenarios.ts'
import { type Course, type Sample, simulate } from './simulate.ts'
import { svg } from './svg.ts'
import type { Scenario } from './workload.ts'

const all = scenarios()
const { positionals, values } = parse()
const name = positionals[0] ?? (values.recorded ? 'recorded' : values.seed ? 'random' : 'burst')
const scenario = chosen()
if (scenario) show(scenario, values.svg)
else usage(`Expected a scenario, found '${name}'.`)

function chosen(): Scenario | undefined {
  if (name === 'recorded' && values.recorded) return recordedScenario(values.recorded)
  if (name === 'random' && values.seed) return randomScenario(Number(values.seed))
  return all.get(name)
}

function parse() {
  const options = { svg: { type: 'string' }, recorded: { type: 'string' }, seed: { type: 'string' } } as const
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return usage((error as Error).message)
  }
}

function usage(problem: string): never {
  console.error(`${problem}
Usage: draw.js [SCENARIO] [--seed N] [--recorded FILE] [--svg FILE]
${[...all.values()].map(({ name, what }) => `  ${name.padEnd(9)} ${what}`).join('\n')}
  --seed N         another random load; the same one for the same number
  --recorded FILE  arrivals of your own: { "origin": "…", "arrivals": [messages in each second, …] }
  --svg FILE       writes the picture there as well`)
  process.exit(1)
}

function show(scenario: Scenario, file: string | undefined): void {
  const courses = simulate(scenario)
  for (const course of courses) console.log(`${chart(scenario, course)}\n`)
  for (const [index, course] of file === undefined ? [] : courses.entries()) {
    // One picture a worker.
    const path = index === 0 ? String(file) : String(file).replace(/(\.svg)?$/, `-${index + 1}.svg`)
    writeFileSync(path, picture(scenario, course))
    console.log(`${path}: ${course.workload.worker}`)
  }
}

function chart(scenario: Scenario, course: Course): string {
  const { seconds } = scenario
  const width = columnsOf(process.stdout.columns)
  const curve = curvesOf(course)
  const most = Math.max(...course.samples.map(({ desired, actual }) => Math.max(desired, actual)), 1)
  const legend = `${PAIR.both} there  ${PAIR.second} desired, not there yet  ${PAIR.first} there, no longer desired`
  return [
    `${course.workload.worker}: ${scenario.what}`,
    summary(course),
    '',
    ...area(curve('backlog'), { title: 'backlog, messages that wait', seconds, width }),
    '',
    ...pair(curve('actual'), curve('desired'), { title: `instances   ${legend}`, seconds, width }, most),
    ...timeAxis(seconds, width),
  ].join('\n')
}

function picture({ what, seconds }: Scenario, course: Course): string {
  const curve = curvesOf(course)
  const curves = { backlog: curve('backlog'), desired: curve('desired'), actual: curve('actual') }
  return svg({ title: `${course.workload.worker}: ${what}`, subtitle: summary(course), seconds, ...curves })
}

function curvesOf({ samples }: Course) {
  return (of: keyof Sample): Curve => samples.map((sample) => ({ at: sample.at, value: sample[of] }))
}

function summary({ workload, samples, changes, arrived, handled, longestWait }: Course): string {
  const { scale, concurrency, serviceMs } = workload
  const started = changes.filter(({ kind }) => kind === 'add' || kind === 'wake').length
  const ended = changes.filter(({ kind }) => kind === 'end' || kind === 'sleep').length
  const busy = samples.reduce((sum, { actual }) => sum + actual, 0) / samples.length
  return [
    `min ${scale.min}, max ${scale.max}, ${scale.messagesPerInstance} messages an instance, cooldown ${scale.cooldown / 1_000} s`,
    `${Math.round((concurrency * 1_000) / serviceMs)} a second each`,
    `${handled.toLocaleString('en')} of ${arrived.toLocaleString('en')} handled, after ${(longestWait / 1_000).toFixed(1)} s at most`,
    `${started} started, ${ended} ended, ${busy.toFixed(1)} on average`,
  ].join('; ')
}
