// How far two curves are from each other.
import type { Curve } from './chart.ts'

/** Seconds between two moments that are compared. */
const STEP = 0.1

/** Value times seconds under a curve. */
export function areaUnder(curve: Curve, seconds: number): number {
  return integrate(seconds, (at) => valueAt(curve, at))
}

/** Value times seconds between two curves. */
export function areaBetween(one: Curve, other: Curve, seconds: number): number {
  return integrate(seconds, (at) => Math.abs(valueAt(one, at) - valueAt(other, at)))
}

function integrate(seconds: number, value: (at: number) => number): number {
  let sum = 0
  for (let step = 0; step < Math.round(seconds / STEP); step++) sum += value(step * STEP) * STEP
  return sum
}

/** How it stood at that moment: each value holds until the next. */
function valueAt(curve: Curve, at: number): number {
  return curve.findLast((one) => one.at <= at)?.value ?? 0
}
