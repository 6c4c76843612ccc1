import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/tmp.ts'
import { readReport } from './report/results.ts'
import { SCENARIOS } from './scenarios/index.ts'

const COMMAND = fileURLToPath(new URL('./run.js', import.meta.url))
// About a minute; more where it has to install what it needs first.
const TIMEOUT = 280_000

t.setTimeout(TIMEOUT + 10_000)

t.test('a small run measures every side of every scenario', { timeout: TIMEOUT }, async (t) => {
  const folder = temporaryFolder(t, 'warren-bench-')
  const bench = run(process.execPath, [COMMAND, '--small', '--folder', folder])
  t.teardown(() => bench.end())
  const { code } = await bench.exited
  t.equal(code, 0, bench.output)

  const { results } = readReport(join(folder, 'results.json'))
  t.same(
    results.map(({ scenario }) => scenario),
    SCENARIOS,
  )
  for (const { scenario, measures } of results) {
    for (const { name, sides, targets = [] } of measures) {
      const shown = new Map(sides.map((side) => [side.name, side.values]))
      const expected = [sides[0]?.name, ...targets.flatMap(({ against }) => against ?? [])]
      const silent = expected.filter((side) => !side || !shown.get(side)?.length)
      const odd = [...shown].filter(([, values]) => !values.every(isFigure))
      t.same({ silent, odd }, { silent: [], odd: [] }, `${scenario}, ${name}`)
    }
  }
})

function isFigure(value: number): boolean {
  return Number.isFinite(value) && value > 0
}
