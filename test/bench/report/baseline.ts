// A run against an earlier one, by Warren's ratios to its peers: other machines have other figures, but alike ratios.
import type { Measure, Result } from '../scenario.ts'
import { ratiosOf, type Spread, spreadOf } from './judge.ts'
import type { Report } from './results.ts'
import { ratioText, spreadText } from './table.ts'

/** Rounds: of 5 against 5, none overlap by chance once in 252 = C(10, 5) each way; of 4 against 4, once in 70. */
const FEWEST = 5

interface Ratio {
  readonly scenario: string
  /** The scenario, the measure and the peer. */
  readonly label: string
  readonly better: Measure['better']
  readonly rounds: number
  readonly spread: Spread
}

/**
 * What got worse or better since the baseline beyond the noise: where the ratios of all rounds lie on one side of all of
 * the baseline's. A ratio also changes with the peer: its version, or how it is set up. Measures without a peer, memory
 * or start-up, aren't compared at all beyond their targets: their figures are those of the machine.
 * @returns lines to print
 */
export function compare(run: Report, baseline: Report): string[] {
  const few = [
    ...(run.rounds < FEWEST ? [`this run has ${run.rounds}`] : []),
    ...(baseline.rounds < FEWEST ? [`the baseline has ${baseline.rounds}`] : []),
  ]
  if (few.length > 0)
    return [`not compared with the baseline: it takes ${FEWEST} rounds of each, and ${few.join(', ')}`]

  const now = ratiosByLabel(run.results)
  const before = ratiosByLabel(baseline.results)
  const pairs = [...now.values()].flatMap((ratio) => {
    const earlier = before.get(ratio.label)
    return earlier ? [{ ratio, change: changeOf(ratio, earlier), earlier }] : []
  })
  const linesOf = (change: 'worse' | 'better') =>
    pairs
      .filter((pair) => pair.change === change)
      .map(({ ratio, earlier }) => `${change}  ${ratio.label}: ${shown(ratio)}, was ${shown(earlier)}`)
  const uncompared = pairs
    .filter(({ change }) => change === 'not comparable')
    .map(({ ratio, earlier }) => {
      const rounds = `it takes ${FEWEST} rounds of each with a figure; this run has ${ratio.rounds}, the baseline ${earlier.rounds}`
      return `not compared  ${ratio.label}: ${rounds}`
    })
  const within = pairs.filter(({ change }) => change === 'within the noise').length
  return [
    ...linesOf('worse'),
    ...linesOf('better'),
    ...uncompared,
    ...only('new', now, before),
    ...only('missing', before, now),
    `${within} of ${pairs.length} ratios differ from the baseline's by no more than the noise`,
  ]
}

type Change = 'worse' | 'better' | 'within the noise' | 'not comparable'

function changeOf({ better, rounds, spread: now }: Ratio, { rounds: roundsBefore, spread: before }: Ratio): Change {
  // A side may have taken part in fewer rounds than the run has. NaN would pass for noise.
  if (Math.min(rounds, roundsBefore) < FEWEST || !Number.isFinite(now.median + before.median)) return 'not comparable'
  if (now.high < before.low) return better === 'more' ? 'worse' : 'better'
  if (now.low > before.high) return better === 'more' ? 'better' : 'worse'
  return 'within the noise'
}

function ratiosByLabel(results: readonly Result[]): Map<string, Ratio> {
  const ratios = results.flatMap(({ scenario, measures }) =>
    measures.flatMap((measure) =>
      ratiosOf(measure).flatMap(({ name, values }): Ratio[] => {
        const label = `${scenario}, ${measure.name}, ${measure.unit}, against ${name}`
        const spread = spreadOf(values)
        return spread ? [{ scenario, label, better: measure.better, rounds: values.length, spread }] : []
      }),
    ),
  )
  return new Map(ratios.map((ratio) => [ratio.label, ratio]))
}

/** What only the one has; of a scenario that the other lacks, one line. */
function only(word: string, ones: ReadonlyMap<string, Ratio>, others: ReadonlyMap<string, Ratio>): string[] {
  const scenarios = new Set([...others.values()].map(({ scenario }) => scenario))
  const lines = [...ones.values()].flatMap((ratio) => {
    if (!scenarios.has(ratio.scenario)) return [`${word}  ${ratio.scenario}, all of it`]
    return others.has(ratio.label) ? [] : [`${word}  ${ratio.label}: ${shown(ratio)}`]
  })
  return [...new Set(lines)]
}

function shown({ spread }: Ratio): string {
  return spreadText(spread, ratioText)
}
