// What a message costs in processor time: on machines as small as these, that is what limits how many there can be.
import { processorMs } from './measure.ts'
import type { Measure } from './scenario.ts'

/** What Linux counts in, in ms: no less can be told. */
const TICK = 10
const unit = { unit: 'us/message', better: 'less', digits: 1 } as const

type Who = 'broker' | 'client'
export type Costs = Readonly<Record<string, number>>

/** Measures of the messages of a size, as `costOf` fills them. */
export function costMeasures(size: string): readonly Measure[] {
  return [
    { name: nameOf(size, 'broker'), ...unit },
    { name: nameOf(size, 'client'), ...unit },
  ]
}

/** Begins to count what so many messages of a size cost two processes, by their ids; the result ends it. Linux only. */
export function countCosts(size: string, count: number, pids: { broker: number; client: number }): () => Costs {
  if (process.platform !== 'linux') return () => ({})
  const before = { broker: processorMs(pids.broker), client: processorMs(pids.client) }
  const each = (who: Who) => (Math.max(processorMs(pids[who]) - before[who], TICK) * 1_000) / count
  return () => ({
    [nameOf(size, 'broker')]: each('broker'),
    [nameOf(size, 'client')]: each('client'),
  })
}

function nameOf(size: string, who: Who): string {
  return `${size}, processor time of the ${who}`
}
