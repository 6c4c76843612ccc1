import fc from 'fast-check'
import t from 'tap'
import { noPrivateNode } from '../../helpers/broker.ts'
import { rabbitmq43 } from '../../helpers/other-rabbitmq.ts'
import { startRabbitmq } from '../../helpers/rabbitmq.ts'
import { programs } from './program.ts'
import { openParty, type Party, runOnBoth } from './run.ts'
import type { Program } from './step.ts'
import { startUnderTest } from './under-test.ts'

// The same programs each time, so that a change that fails has failed by itself. `npm run test:differential` runs 2,000 of a
// seed of its own; WARREN_PROGRAMS and WARREN_SEED say which, and WARREN_PROGRAM='[…]' runs one.
const size = Number(process.env.WARREN_PROGRAMS ?? 300)
const seed = Number(process.env.WARREN_SEED ?? 1)
const given = process.env.WARREN_PROGRAM
// Programs mostly wait: so many of them run side by side.
const LANES = 8
// What the slowest machine takes for a program, and what may go into making a failing one smaller, in milliseconds.
const LIMIT = size * 500 + 240_000

const { skip } = rabbitmq43

t.setTimeout(LIMIT + 60_000)
t.test('random programs show the same on both brokers', { skip, timeout: LIMIT + 60_000 }, async (t) => {
  const reference = await rabbitmq43.start(t)
  const other = await startUnderTest(t)
  const parties = [await openParty(reference.url), await openParty(other.url)] as const
  t.teardown(() => Promise.all(parties.map((party) => party.close())))
  if (given) return t.equal(await runOnBoth(JSON.parse(given) as Program, parties), undefined)

  t.comment(`WARREN_SEED=${seed} WARREN_PROGRAMS=${size}`)
  const unstable: string[] = []
  const each = Math.ceil(size / LANES)
  const lanes = Array.from({ length: LANES }, (_, lane) => check(parties, each, seed + lane, programs, unstable))
  for (const failure of await Promise.all(lanes)) {
    if (failure) t.fail(failure)
  }
  // One race in a hundred programs is theirs; more are not.
  for (const difference of unstable) t.comment(`A difference that came and went:\n${difference}`)
  t.ok(unstable.length <= Math.ceil(size / 100), `${size} programs were run, ${unstable.length} showed a race`)
})

t.test('a difference is found, and made small', { skip: skip || noPrivateNode }, async (t) => {
  const [newer, older] = await Promise.all([rabbitmq43.start(t), startRabbitmq(t)])
  const parties = [await openParty(newer.url), await openParty(older.url)] as const
  t.teardown(() => Promise.all(parties.map((party) => party.close())))
  // An unknown type is a channel's error since RabbitMQ 4, and was the connection's before.
  const bad = { op: 'exchange', on: 0, exchange: 'e0', type: 'odd', durable: true } as const
  const rest = { autoDelete: false, internal: false, args: {} }
  const odd: Program = [
    { op: 'check', on: 1, queue: 'q0' },
    { ...bad, ...rest },
    { op: 'confirm', on: 2 },
  ]
  const smaller = fc.shuffledSubarray([...odd], { minLength: 0 })

  const failure = await check(parties, 100, 1, smaller)
  t.match(failure, /unknown exchange type 'odd'/)
  t.match(failure, /COMMAND_INVALID/)
  const shrunk = JSON.parse(failure?.match(/WARREN_PROGRAM='(.*)'/)?.[1] ?? '[]') as Program
  t.equal(shrunk.length, 1)
})

/** Runs programs one after the other. Resolves with what is wrong with the smallest that fails, if one does. */
async function check(
  parties: readonly [Party, Party],
  numRuns: number,
  seed: number,
  arbitrary: fc.Arbitrary<Program>,
  unstable: string[] = [],
): Promise<string | undefined> {
  const property = fc.asyncProperty(arbitrary, async (program) => {
    const difference = await runOnBoth(program, parties, { unstable: (text) => unstable.push(text) })
    if (difference) throw new Error(difference)
  })
  const result = await fc.check(property, {
    numRuns,
    seed,
    interruptAfterTimeLimit: LIMIT,
    markInterruptAsFailure: true,
  })
  if (!result.failed) return undefined
  const program = result.counterexample?.[0]
  if (!program) return `only ${result.numRuns} of ${numRuns} programs were run in ${LIMIT} ms`
  const error = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance)
  return `after ${result.numRuns} programs, made smaller ${result.numShrinks} times:
WARREN_PROGRAM='${JSON.stringify(program)}'
${error}`
}
