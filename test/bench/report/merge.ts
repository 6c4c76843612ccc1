import type { Report } from './results.ts'

/** A baseline with what a later run has measured: that run's scenarios, and those of before that it does not have. */
export function merged(run: Report, baseline: Report | undefined, order: readonly string[]): Report {
  const names = new Set(run.results.map(({ scenario }) => scenario))
  const kept = baseline?.results.filter(({ scenario }) => !names.has(scenario)) ?? []
  const results = [...run.results, ...kept].sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario))
  // Of the figures that have the fewest: what is compared with it relies on them.
  const rounds = Math.min(run.rounds, kept.length > 0 && baseline ? baseline.rounds : run.rounds)
  return { ...run, rounds, results }
}
