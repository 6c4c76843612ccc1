// What sending and receiving are measured with, message by message.
import { costMeasures } from './cost.ts'
import type { Measure, Target } from './scenario.ts'

/** Where what a message costs is not the copying of its body. */
export const SMALLEST = '256 B'

/** Messages a second of each size, and of the smallest what each costs. */
export function measuresBySize(sizes: readonly string[], targets: readonly Target[]): Measure[] {
  return sizes.flatMap((name) => [
    { name, unit: 'messages/s', better: 'more' as const, targets },
    ...(name === SMALLEST ? costMeasures(name) : []),
  ])
}
