// The files that a run leaves.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare } from './report/baseline.ts'
import { chart } from './report/chart.ts'
import { merged } from './report/merge.ts'
import { type Report, readReport, writeReport } from './report/results.ts'
import type { Result } from './scenario.ts'
import { SCENARIOS } from './scenarios/index.ts'

const BASELINE = join('test', 'bench', 'baseline.json')
const PICTURE = join('docs', 'benchmark.svg')

/** @returns the files' names */
export function writeResults(folder: string, report: Report): string[] {
  mkdirSync(folder, { recursive: true })
  const [results, picture] = [join(folder, 'results.json'), join(folder, 'chart.svg')] as const
  writeReport(results, report)
  writeFileSync(picture, chart(report))
  return [results, picture]
}

/**
 * @param names the scenarios that were to be measured
 * @param options.isOneSize whether only one size of messages was
 * @returns lines to print; none where there is no baseline
 */
export function compareWithBaseline(
  report: Report,
  names: readonly string[],
  { isOneSize }: { isOneSize: boolean },
): string[] {
  if (!existsSync(BASELINE)) return []
  const baseline = readReport(BASELINE)
  // What was not to be measured is not missing.
  const results = baseline.results
    .filter(({ scenario }) => names.includes(scenario))
    .map((before) => (isOneSize ? { ...before, measures: measuresAlsoIn(report, before) } : before))
  if (results.length === 0) return [`${BASELINE} has none of these scenarios`]
  return [`Compared with ${BASELINE}:`, ...compare(report, { ...baseline, results }).map((line) => `  ${line}`)]
}

function measuresAlsoIn({ results }: Report, { scenario, measures }: Result): Result['measures'] {
  const now = results.find((result) => result.scenario === scenario)?.measures ?? []
  const names = new Set(now.map(({ name }) => name))
  return measures.filter(({ name }) => names.has(name))
}

/** @returns the files' names */
export function saveBaseline(report: Report): string[] {
  const before = existsSync(BASELINE) ? readReport(BASELINE) : undefined
  const baseline = merged(report, before, SCENARIOS)
  writeReport(BASELINE, baseline)
  mkdirSync('docs', { recursive: true })
  writeFileSync(PICTURE, chart(baseline))
  return [BASELINE, PICTURE]
}
