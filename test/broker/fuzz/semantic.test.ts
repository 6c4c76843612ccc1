// Random loads, right and wrong, on a broker that is killed in between. WARREN_STEPS is how many steps there are in all;
// `npm run test:fuzz -- semantic` makes a million. A round that fails says how to repeat it alone.
import t from 'tap'
import { temporaryFolder } from '../../helpers/tmp.ts'
import { playRound } from './round.ts'

// @counts-messages

const STEPS = Number(process.env.WARREN_STEPS ?? 3_000)
const SEED = Number(process.env.WARREN_SEED ?? Date.now() % 1_000_000)
/** The only round that is played. */
const ONLY = process.env.WARREN_ROUND === undefined ? undefined : Number(process.env.WARREN_ROUND)
const STEPS_A_ROUND = 1_000
/** Milliseconds of processor time for which nobody is answered, at most. */
const TURN_MAX = 100
/** MB: a few rounds' bodies many times over. */
const MEMORY_MAX = 600

const rounds = Math.max(1, Math.round(STEPS / STEPS_A_ROUND))
const first = ONLY ?? 0
const last = ONLY ?? rounds - 1

t.setTimeout((last - first + 1) * 120_000)
for (let round = first; round <= last; round++) {
  t.test(`round ${round} of ${STEPS_A_ROUND} steps`, { timeout: 120_000 }, async (t) => {
    const seed = (SEED * 1_000_003 + round) | 0
    const folder = temporaryFolder(t)
    const { faults, messages, restarts, turn, peak, witness } = await playRound({ seed, steps: STEPS_A_ROUND, folder })
    const figures = `${messages} messages, ${restarts} restarts; longest turn ${turn.toFixed()} ms, memory ${peak.toFixed()} MB, witness ${witness.toFixed()} ms`
    t.same(faults.slice(0, 5), [], `repeat it by WARREN_SEED=${SEED} WARREN_ROUND=${round}: ${figures}`)
    t.ok(turn <= TURN_MAX, `no turn of the broker is over ${TURN_MAX} ms: ${turn.toFixed()} ms`)
    t.ok(peak <= MEMORY_MAX, `the broker has at most ${MEMORY_MAX} MB: ${peak.toFixed()} MB`)
  })
}
