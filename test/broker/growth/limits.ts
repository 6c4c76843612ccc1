import type { Footprint } from './footprint.ts'
import { type Cost, growthOf } from './measure.ts'
import type { Operation } from './operation.ts'
import { slowness } from './slowness.ts'

/** In proportion to n, and a margin. */
const GROWTH = 2.6
/** Milliseconds of processor time for which nobody else is answered, on a machine like that of the figures. */
const TURN = 50

/** Milliseconds of the longest turn that this machine may take. */
export function turnLimit(): number {
  return TURN * slowness()
}

/** What a footprint may be at most on this machine. */
export function mostOf({ unit, limit }: Footprint): number {
  return unit === 'ms' ? limit * slowness() : limit
}

/** What is wrong with how an operation's cost grows, if anything is. */
export function growthProblem({ growth: most = GROWTH }: Operation, costs: readonly [Cost, Cost]): string | undefined {
  const growth = growthOf(costs)
  return growth > most ? `twice as many take ${growth.toFixed(2)} times as long, more than ${most}` : undefined
}

/** What is wrong with how long an operation keeps the others waiting, if anything is. */
export function turnProblem({ isStart }: Operation, { turn }: Cost, limit: number): string | undefined {
  if (isStart || turn <= limit) return undefined
  return `the longest turn takes ${turn.toFixed()} ms, more than ${limit.toFixed()}`
}
