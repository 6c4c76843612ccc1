// What sending and receiving are measured with, message by message.
import { costMeasures } from './cost.ts'
import type { Measure, Target } from './scenario.ts'

/** Messages a second of each size, and what each costs. */
export function measuresBySize(sizes: readonly string[], targets: readonly Target[]): Measure[] {
  return sizes.flatMap((name) => [
    { name, unit: 'messages/s', better: 'more' as const, targets },
    ...costMeasures(name),
  ])
}
