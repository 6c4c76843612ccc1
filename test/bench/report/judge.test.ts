import t from 'tap'
import type { MeasureResult } from '../scenario.ts'
import { countOutcomes, judge, ratiosOf, spreadOf } from './judge.ts'

const sides = [
  { name: 'Warren', values: [100, 200, 300] },
  { name: 'A', values: [50, 400, 200] },
]
const more: MeasureResult = { name: 'rate', unit: '1/s', better: 'more', sides }
const less: MeasureResult = { ...more, better: 'less' }

function outcomes(measure: MeasureResult): string[] {
  return judge(measure).targets.map(({ outcome }) => outcome)
}

t.test('ratios are taken round by round', async (t) => {
  t.same(ratiosOf(more), [{ name: 'A', values: [2, 0.5, 1.5] }])
  const { sides } = judge(more)
  t.same(sides[0], { name: 'Warren', figure: { median: 200, low: 100, high: 300 }, ratio: undefined })
  // The ratio of the medians would be 1.
  t.same(sides[1]?.ratio, { median: 1.5, low: 0.5, high: 2 })
})

t.test('a target is the least, or where less is better the most', async (t) => {
  const targets = [1.4, 1.5, 1.6].map((value) => ({ against: 'A', value }))
  t.same(outcomes({ ...more, targets }), ['ok', 'ok', 'MISSED'])
  t.same(outcomes({ ...less, targets }), ['MISSED', 'ok', 'ok'])
})

t.test("a target against nobody is about Warren's own figure", async (t) => {
  const targets = [199, 200, 201].map((value) => ({ value }))
  t.same(outcomes({ ...more, targets }), ['ok', 'ok', 'MISSED'])
  t.same(outcomes({ ...less, targets }), ['MISSED', 'ok', 'ok'])
})

t.test('what did not take part is not measured', async (t) => {
  const targets = [{ against: 'B', value: 0 }, { value: 0 }, { against: 'A', value: 0 }]
  t.same(outcomes({ ...more, targets }), ['not measured', 'ok', 'ok'])
  t.same(outcomes({ ...more, targets, sides: [] }), ['not measured', 'not measured', 'not measured'])
  const silent = sides.map((side, i) => (i === 0 ? { ...side, values: [] } : side))
  t.same(outcomes({ ...more, targets, sides: silent }), ['not measured', 'not measured', 'not measured'])
})

t.test('a figure that is no number meets no target', async (t) => {
  const broken = (values: number[]) => [
    { name: 'Warren', values },
    { name: 'A', values: [1, 1, 1] },
  ]
  const targets = [{ against: 'A', value: 1 }, { value: 1 }]
  for (const measure of [more, less])
    t.same(outcomes({ ...measure, targets, sides: broken([Number.NaN, 1, 1]) }), ['MISSED', 'MISSED'])
  const zero = [
    { name: 'Warren', values: [1] },
    { name: 'A', values: [0] },
  ]
  t.same(outcomes({ ...more, targets: [{ against: 'A', value: 1 }], sides: zero }), ['MISSED'])
  t.equal(spreadOf([]), undefined)
})

t.test('outcomes are counted over all results', async (t) => {
  const targets = [{ against: 'A', value: 1.5 }, { against: 'A', value: 2 }, { value: 1 }, { against: 'B', value: 1 }]
  const result = { scenario: 's', title: 't', measures: [{ ...more, targets }, less] }
  t.same(countOutcomes([result, result]), { ok: 4, MISSED: 2, 'not measured': 2 })
})
