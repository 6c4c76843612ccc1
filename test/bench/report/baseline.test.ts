import t from 'tap'
import type { Measure } from '../scenario.ts'
import { compare } from './baseline.ts'
import type { Report } from './results.ts'

const FIVE = [1, 1.1, 1.2, 1.3, 1.4]

/** A run in which the peer's figures are 10, so that the ratios are as told. */
function run(ratios: readonly number[], better: Measure['better'] = 'more', peer = 'A', scenario = 'pipe'): Report {
  const sides = [
    { name: 'Warren', values: ratios.map((ratio) => ratio * 10) },
    { name: peer, values: ratios.map(() => 10) },
  ]
  return {
    version: 1,
    date: '2026-11-26T12:00:00.000Z',
    node: 'v22.0.0',
    machine: { cores: 2, model: 'M', memoryGb: 4 },
    rounds: ratios.length,
    results: [{ scenario, title: '', measures: [{ name: '1 KB', unit: 'x/s', better, sides }] }],
  }
}

function plus(by: number): number[] {
  return FIVE.map((ratio) => ratio + by)
}

t.test('only ratios that do not overlap are a change, and which way depends on the measure', async (t) => {
  const label = 'pipe, 1 KB, x/s, against A'
  const [low, high] = ['1.20 (1.00 to 1.40)', '1.70 (1.50 to 1.90)']
  const none = "0 of 1 ratios differ from the baseline's by no more than the noise"
  t.same(compare(run(FIVE), run(plus(0.5))), [`worse  ${label}: ${low}, was ${high}`, none])
  t.same(compare(run(plus(0.5)), run(FIVE)), [`better  ${label}: ${high}, was ${low}`, none])
  t.same(compare(run(FIVE, 'less'), run(plus(0.5), 'less')), [`better  ${label}: ${low}, was ${high}`, none])
  t.same(compare(run(plus(0.5), 'less'), run(FIVE, 'less')), [`worse  ${label}: ${high}, was ${low}`, none])
})

t.test('ratios that overlap or touch are noise', async (t) => {
  const same = ["1 of 1 ratios differ from the baseline's by no more than the noise"]
  for (const by of [-0.3, 0, 0.3]) t.same(compare(run(plus(by)), run(FIVE)), same)
  t.same(compare(run([1.4, 2, 2, 2, 2]), run(FIVE)), same)
  t.same(compare(run([0.5, 0.5, 0.5, 0.5, 1]), run(FIVE)), same)
})

t.test('the figures of another machine do not matter', async (t) => {
  const faster = run(FIVE)
  const results = faster.results.map((result) => ({
    ...result,
    measures: result.measures.map((measure) => ({
      ...measure,
      sides: measure.sides.map(({ name, values }) => ({ name, values: values.map((value) => value * 8) })),
    })),
  }))
  t.match(compare({ ...faster, results }, run(FIVE)), [/^1 of 1 /])
})

t.test('too few rounds are not compared', async (t) => {
  const start = 'not compared with the baseline: it takes 5 rounds of each, and '
  const four = plus(5).slice(1)
  t.same(compare(run(four), run(FIVE)), [`${start}this run has 4`])
  t.same(compare(run(FIVE), run(four)), [`${start}the baseline has 4`])
  t.same(compare(run(four), run([1])), [`${start}this run has 4, the baseline has 1`])
  const partly = { ...run(four), rounds: 5 }
  t.match(compare(partly, run(FIVE)), [/^not compared {2}pipe, .* this run has 4, the baseline 5$/, /^0 of 1 /])
})

t.test('a figure that is no number is not taken for noise', async (t) => {
  const broken = run([1, 1, Number.NaN, 1, 1])
  t.match(compare(broken, run(FIVE)), [/^not compared {2}pipe/, /^0 of 1 /])
  t.match(compare(run(FIVE), broken), [/^not compared {2}pipe/, /^0 of 1 /])
})

t.test('what is new or missing is told, and of a whole scenario at once', async (t) => {
  const none = "0 of 0 ratios differ from the baseline's by no more than the noise"
  t.same(compare(run(FIVE, 'more', 'B'), run(plus(1))), [
    'new  pipe, 1 KB, x/s, against B: 1.20 (1.00 to 1.40)',
    'missing  pipe, 1 KB, x/s, against A: 2.20 (2.00 to 2.40)',
    none,
  ])
  t.same(compare(run(FIVE), run(FIVE, 'more', 'A', 'http')), ['new  pipe, all of it', 'missing  http, all of it', none])
})

t.test('what has no peer is not compared', async (t) => {
  const alone = (values: readonly number[]): Report => ({
    ...run(FIVE),
    results: [
      {
        scenario: 'idle',
        title: '',
        measures: [{ name: 'memory', unit: 'MB', better: 'less', sides: [{ name: 'Warren', values }] }],
      },
    ],
  })
  t.match(compare(alone(plus(9)), alone(FIVE)), [/^0 of 0 /])
})
