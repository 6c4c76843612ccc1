import t from 'tap'
import { merged } from './merge.ts'
import { type Report, reportOf } from './results.ts'

const ORDER = ['a', 'b', 'c']

function reportWith(names: readonly string[], title: string, rounds: number): Report {
  return reportOf(
    names.map((scenario) => ({ scenario, title, measures: [] })),
    rounds,
  )
}

t.test('without a baseline the run becomes it', async (t) => {
  const run = reportWith(['a', 'b'], 'new', 5)
  t.same(merged(run, undefined, ORDER), run)
})

t.test('what the run has measured replaces that of before, all else stays', async (t) => {
  const run = reportWith(['b'], 'new', 7)
  const { results, rounds } = merged(run, reportWith(['c', 'b', 'a'], 'old', 5), ORDER)
  t.same(
    results.map(({ scenario, title }) => `${scenario} ${title}`),
    ['a old', 'b new', 'c old'],
  )
  t.equal(rounds, 5)
  t.equal(merged(run, reportWith(['b'], 'old', 5), ORDER).rounds, 7, 'nothing of before stays')
})
