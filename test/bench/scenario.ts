// The words of the benchmarks: a scenario has sides, Warren the first, and measures; a round takes one sample of each
// side in turn, and ratios are taken round by round.
import type { Teardown } from '../helpers/tmp.ts'
import type { Services } from './services.ts'

/** One figure that a sample of each side has. */
export interface Measure {
  /** What tells it from the scenario's others: `256 B`, `p50 at 50 %`. */
  readonly name: string
  readonly unit: string
  readonly better: 'more' | 'less'
  /** Decimal places. @default 0 */
  readonly digits?: number
  readonly targets?: readonly Target[]
}

/** `against`: Warren's figure divided by that side's, else Warren's own; at least this, or at most where less is better. */
export interface Target {
  readonly against?: string
  readonly value: number
}

/** What takes part. A sample has a figure for each measure that the side can show. */
export interface Side {
  readonly name: string
  sample(): Promise<Readonly<Record<string, number>>>
  /** What is done once before the first sample. @default a sample that does not count */
  warmUp?(): Promise<unknown>
}

export interface Scenario {
  readonly name: string
  /** What is measured and how, in a sentence or two. */
  readonly title: string
  readonly measures: readonly Measure[]
  /** It gets no more rounds than this, because one takes minutes. @default as many as all scenarios get */
  readonly rounds?: number
  /** Starts the sides, the first of which the others are compared with; ended by the teardown. */
  open(services: Services, t: Teardown): Promise<readonly Side[]>
}

/** What a scenario has measured. */
export interface Result {
  readonly scenario: string
  readonly title: string
  readonly measures: readonly MeasureResult[]
}

export interface MeasureResult extends Measure {
  /** Of each side that has shown it, one figure a round; the first is compared with the others. */
  readonly sides: readonly { readonly name: string; readonly values: readonly number[] }[]
}
