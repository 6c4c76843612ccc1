// Each decision has its reason from where its number is made, so that the two can not differ.
import fc from 'fast-check'
import t from 'tap'
import type { Scale } from '../../supervisor/base/scale.ts'
import { IDLE_MS, type Load, type Why, type Worth } from '../../supervisor/scaling/policy.ts'
import { type Grounds, reasonFor } from '../../supervisor/scaling/reason.ts'
import type { Short } from '../../supervisor/scaling/turns.ts'
import { loads, run, SCALE, scales, series } from './loads.ts'

/** Whether the numbers of a reason make the number that it is given for. */
function makes(why: Why, desired: number, scale: Scale): boolean {
  if (why.by === 'messages')
    return why.per === scale.messagesPerInstance && Math.ceil(why.messages / why.per) === desired
  if (why.by === 'min') return desired === scale.min && why.worth.instances < desired && makesWorth(why.worth, scale)
  if (why.by === 'max') return desired === scale.max && why.worth.instances > desired && makesWorth(why.worth, scale)
  return why.instances === desired
}

function makesWorth({ instances, why }: Worth, scale: Scale): boolean {
  return why.by !== 'min' && why.by !== 'max' && makes(why, instances, scale)
}

t.test('the reason comes with the number, and its numbers make that number', async () => {
  fc.assert(
    fc.property(series(loads), scales, fc.nat(20), (looks, scale, before) =>
      run(looks, scale, before).every(({ desired, why, memory: { recent } }) => {
        if (!makes(why, desired, scale)) return false
        const of = why.by === 'min' || why.by === 'max' ? why.worth.why : why
        // Each kind of reason is what has happened.
        if (of.by === 'busy') return looks.some(({ load }) => load.filled === of.instances)
        if (of.by === 'cooldown') return recent.length > 1 && recent[0]?.instances === of.instances
        return true
      }),
    ),
    { numRuns: 1_000 },
  )
})

t.test('three that are busy are three busy, not three that were more before', async (t) => {
  const load = { ready: 0, inProgress: 3, filled: 3 }
  const { desired, why } = run([{ gap: 1, load }], SCALE, 3).at(-1) ?? {}
  t.equal(desired, 3)
  t.same(why, { by: 'busy', instances: 3 })
})

t.test('needed is what had work a moment ago, however long the cooldown', async (t) => {
  const busy: Load = { ready: 250, inProgress: 0 }
  const idle: Load = { ready: 0, inProgress: 0 }
  const looks = [busy, idle, idle, idle].map((load) => ({ gap: IDLE_MS / 2, load }))
  t.same(
    run(looks, { ...SCALE, min: 2 }).map(({ desired, needed }) => [desired, needed]),
    [
      [3, 3],
      [3, 3],
      [3, 0],
      [3, 0],
    ],
  )
})

t.test('never more are needed than desired, and with something to do at least one is', async () => {
  fc.assert(
    fc.property(series(loads), scales, (looks, scale) =>
      run(looks, scale).every(
        ({ desired, needed, load }) => needed <= desired && (needed > 0 || load.ready + load.inProgress === 0),
      ),
    ),
    { numRuns: 500 },
  )
})

t.test('the same in words', async (t) => {
  const of = (why: Why, more: Partial<Grounds> = {}) =>
    reasonFor({
      desired: 3,
      why,
      pin: undefined,
      machines: 1,
      wanted: 3,
      goal: 3,
      short: undefined,
      ceiling: 5,
      ...more,
    })
  const messages = { by: 'messages', messages: 250, per: 100 } as const
  t.equal(of(messages), '250 messages, 100 an instance')
  t.equal(of({ by: 'messages', messages: 0, per: 100 }), 'no messages')
  t.equal(of({ by: 'busy', instances: 3 }), '3 busy')
  t.equal(of({ by: 'cooldown', instances: 3, cooldown: 60_000 }), '3 were needed within the last 60 s')
  t.equal(
    of({ by: 'min', min: 3, worth: { instances: 0, why: { ...messages, messages: 0 } } }),
    'no messages; at least 3',
  )
  t.equal(
    of({ by: 'max', max: 3, worth: { instances: 7, why: { ...messages, messages: 700 } } }),
    '700 messages, 100 an instance; at most 3 of 7',
  )
  t.equal(
    of(messages, { machines: 2, wanted: 2, goal: 2 }),
    '250 messages, 100 an instance; 2 of 3 on this one of 2 machines',
  )
  t.equal(of(messages, { pin: 2, wanted: 2, goal: 2 }), 'pinned to 2')
  const short = (short: Short, goal: number) => of({ by: 'busy', instances: 3 }, { short, goal })
  t.equal(short('share', 2), "3 busy; 2 of 3 under the machine's ceiling of 5: its share")
  t.equal(short('turn', 0), "3 busy; 0 of 3 under the machine's ceiling of 5: the others have their turn")
  t.equal(short('idle', 1), "3 busy; 1 of 3 under the machine's ceiling of 5: it is idle and others wait")
})
