// What the broker's operations cost grows with their size and no faster, and none of them keeps the others waiting.
// Measured in the broker's own processor time, so that other processes have no part in it.
import t from 'tap'
import { growthProblem, turnLimit, turnProblem } from './limits.ts'
import { measureSmall } from './measure.ts'
import { OPERATIONS } from './operations.ts'

// @long

/** Part of the names of the operations that are measured. @default all of them */
const ONLY = process.env.WARREN_ONLY ?? ''
const TIMES = 2

t.setTimeout(600_000)
const limit = turnLimit()
for (const operation of OPERATIONS.filter(({ name }) => name.includes(ONLY))) {
  t.test(operation.name, { timeout: 120_000, skip: operation.open ?? false }, async (t) => {
    const costs = await measureSmall(operation, TIMES)
    const [few, many] = costs
    t.comment(`${few.n}: ${few.ms.toFixed(1)} ms; ${many.n}: ${many.ms.toFixed(1)} ms, ${many.memory.toFixed()} MB`)
    t.equal(growthProblem(operation, costs), undefined, 'it grows in proportion')
    t.equal(turnProblem(operation, many, limit), undefined, 'others go on')
  })
}
