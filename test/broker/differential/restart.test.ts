import fc from 'fast-check'
import t from 'tap'
import { startEmbedded } from '../../helpers/embedded.ts'
import { rabbitmq43 } from '../../helpers/other-rabbitmq.ts'
import { programs } from './program.ts'
import { rendezvous } from './rendezvous.ts'
import { openParty, runOnce } from './run.ts'
import type { Program } from './step.ts'

// A restart of RabbitMQ takes ten seconds, so programs share one. WARREN_RESTARTED says how many, WARREN_SEED which.
const size = Number(process.env.WARREN_RESTARTED ?? 16)
const seed = Number(process.env.WARREN_SEED ?? 1)
const BATCH = 50
const LIMIT = 180_000 + size * 4_000

const { skip } = rabbitmq43

t.setTimeout(LIMIT + 60_000)
t.test('after a restart both brokers have the same left', { skip, timeout: LIMIT }, async (t) => {
  const brokers = [await rabbitmq43.start(t), await startEmbedded(t)] as const

  /** The differences of the programs that show any. */
  async function failures(given: readonly Program[]): Promise<{ program: Program; difference: string }[]> {
    const parties = [await openParty(brokers[0].url), await openParty(brokers[1].url)] as const
    const all = rendezvous(given.length, async function restart() {
      await Promise.all(parties.map((party) => party.close()))
      await Promise.all(brokers.map((broker) => broker.stop()))
      await Promise.all(brokers.map((broker) => broker.start()))
    })
    const found = await Promise.all(
      given.map(async (program) => {
        let isThere = false
        const interlude = () => {
          isThere = true
          return all.arrive()
        }
        const difference = await runOnce(program, parties, { interlude }).finally(() => isThere || all.leave())
        return difference === undefined ? [] : [{ program, difference }]
      }),
    )
    return found.flat()
  }

  t.comment(`WARREN_SEED=${seed} WARREN_RESTARTED=${size}`)
  const all = fc.sample(programs, { numRuns: size, seed })
  let suspects: Program[] = []
  for (let at = 0; at < size; at += BATCH) {
    suspects = [...suspects, ...(await failures(all.slice(at, at + BATCH))).map(({ program }) => program)]
  }
  t.pass(`${size} programs were run, ${suspects.length} are run again`)
  if (suspects.length === 0) return
  // A difference that comes and goes is a race.
  for (const { program, difference } of await failures(suspects.slice(0, BATCH))) {
    t.fail(`WARREN_PROGRAM='${JSON.stringify(program)}'\n${difference}`)
  }
})
