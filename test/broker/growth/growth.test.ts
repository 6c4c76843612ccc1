// What the broker's operations cost grows with their size and no faster, and none of them keeps the others waiting.
// Measured in the broker's own processor time, so that other processes have no part in it.
import t from 'tap'
import { growthOf, measureSmall } from './measure.ts'
import { OPERATIONS } from './operations.ts'
import { slowness } from './slowness.ts'

/** Of the operations with a name that contains it; all of them where it is not set. */
const ONLY = process.env.WARREN_ONLY ?? ''
const TIMES = 2
const GROWTH = 2.6
/** Milliseconds of processor time for which nobody else is answered, on a machine like that of the figures. */
const TURN_MAX = 50

t.setTimeout(600_000)
const turnMax = TURN_MAX * slowness()
for (const operation of OPERATIONS.filter(({ name }) => name.includes(ONLY))) {
  t.test(operation.name, { timeout: 120_000 }, async (t) => {
    const costs = await measureSmall(operation, TIMES)
    const [few, many] = costs
    const growth = growthOf(costs)
    const { growth: most = GROWTH, isStart } = operation
    const figures = `${few.n}: ${few.ms.toFixed(1)} ms, ${many.n}: ${many.ms.toFixed(1)} ms, ${many.memory.toFixed()} MB`
    t.ok(growth <= most, `twice as many take ${growth.toFixed(2)} times as long, at most ${most} (${figures})`)
    if (isStart) return
    t.ok(many.turn <= turnMax, `the longest turn takes ${many.turn.toFixed()} ms, at most ${turnMax.toFixed()}`)
  })
}
