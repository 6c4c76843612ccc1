// What a measure's figures say: Warren's ratios to the others, and whether its targets are met.
import type { MeasureResult, Result, Target } from '../scenario.ts'
import { quantile } from '../statistics.ts'

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface JudgedSide {
  readonly name: string
  /** In the measure's unit; undefined for a side that has shown nothing. */
  readonly figure: Spread | undefined
  /** Warren's figure divided by this side's; undefined for Warren itself, and where either has shown nothing. */
  readonly ratio: Spread | undefined
}

export type Outcome = 'ok' | 'MISSED' | 'not measured'

export interface JudgedTarget extends Target {
  readonly outcome: Outcome
}

export interface Judgement {
  readonly sides: readonly JudgedSide[]
  readonly targets: readonly JudgedTarget[]
}

/** Of each other side, Warren's figure divided by its own, a ratio for each round that both have. */
export function ratiosOf({ sides }: MeasureResult): { readonly name: string; readonly values: readonly number[] }[] {
  const [warren, ...peers] = sides
  return peers.map(({ name, values }) => {
    const rounds = Math.min(values.length, warren?.values.length ?? 0)
    const ratios = Array.from({ length: rounds }, (_, i) => (warren?.values[i] as number) / (values[i] as number))
    return { name, values: ratios }
  })
}

/** The median and the extremes: undefined of nothing, NaN if one of the values is no finite number. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  // NaN has no place in an order: the median of what is left could meet a target.
  if (!values.every(Number.isFinite)) return { median: Number.NaN, low: Number.NaN, high: Number.NaN }
  return { median: quantile(values, 0.5), low: Math.min(...values), high: Math.max(...values) }
}

/** Sums up every side that has taken part, and judges every target by the median; a figure that is NaN misses. */
export function judge(measure: MeasureResult): Judgement {
  const ratios = new Map(ratiosOf(measure).map(({ name, values }) => [name, spreadOf(values)]))
  const sides = measure.sides.map(({ name, values }, i) => {
    return { name, figure: spreadOf(values), ratio: i === 0 ? undefined : ratios.get(name) }
  })
  const targets = (measure.targets ?? []).map((target) => {
    const spread = target.against === undefined ? sides[0]?.figure : ratios.get(target.against)
    return { ...target, outcome: outcomeOf(measure.better, spread, target.value) }
  })
  return { sides, targets }
}

/** How many targets there are of each outcome: a run has met them all only if nothing was missed or not measured. */
export function countOutcomes(results: readonly Result[]): Record<Outcome, number> {
  const counts = { ok: 0, MISSED: 0, 'not measured': 0 }
  for (const { measures } of results)
    for (const measure of measures) for (const { outcome } of judge(measure).targets) counts[outcome]++
  return counts
}

function outcomeOf(better: MeasureResult['better'], spread: Spread | undefined, value: number): Outcome {
  if (!spread) return 'not measured'
  const isMet = better === 'more' ? spread.median >= value : spread.median <= value
  return isMet ? 'ok' : 'MISSED'
}
