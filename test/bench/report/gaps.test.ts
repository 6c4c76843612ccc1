import t from 'tap'
import type { MeasureResult, Result } from '../scenario.ts'
import { gapsOf } from './gaps.ts'

function resultOf(...measures: Partial<MeasureResult>[]): Result {
  const complete = measures.map((measure, i) => ({
    name: `m${i}`,
    unit: 'x',
    better: 'more' as const,
    sides: [],
    ...measure,
  }))
  return { scenario: 's', title: '', measures: complete }
}

t.test('a run that has shown everything has no gaps', async (t) => {
  const sides = [
    { name: 'Warren', values: [1, 2] },
    { name: 'A', values: [3, 4] },
  ]
  const alone = [{ name: 'Warren', values: [1, 2] }]
  const result = resultOf({ sides, targets: [{ against: 'A', value: 9 }] }, { sides: alone, targets: [{ value: 9 }] })
  t.same(gapsOf(result, ['Warren', 'A'], 2), [], 'a side need not show every measure')
})

t.test('what is missing is told', async (t) => {
  const sides = [
    { name: 'Warren', values: [1, Number.NaN] },
    { name: 'A', values: [0] },
    { name: 'C', values: [1] },
  ]
  const result = resultOf({ sides, targets: [{ against: 'B', value: 1 }] }, { sides: [{ name: 'Warren', values: [] }] })
  t.same(gapsOf(result, ['Warren', 'A', 'B', 'C'], 2), [
    's: B has shown nothing',
    's, m0: not compared with B',
    's, m0: Warren has shown NaN',
    's, m0: A has shown 0',
    's, m0: C has 1 of 2',
    's, m1: no figure of Warren',
  ])
})
