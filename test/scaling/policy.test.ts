import fc from 'fast-check'
import t from 'tap'
import type { Scale } from '../../supervisor/base/scale.ts'
import { follow, instancesFor, type Load, type Memory } from '../../supervisor/scaling/policy.ts'
import { counts, gaps, known, type Look, loads, run, SCALE, scales, series } from './loads.ts'

/** What a load is worth for sure: what waits and what is in progress may be the same messages. */
function sureFor({ ready, inProgress, filled = 0 }: Load, { messagesPerInstance }: Scale): number {
  return Math.max(Math.ceil(Math.max(ready, inProgress) / messagesPerInstance), filled)
}

function allFor({ ready, inProgress, filled = 0 }: Load, { messagesPerInstance }: Scale): number {
  return Math.max(Math.ceil((ready + inProgress) / messagesPerInstance), filled)
}

/** The same by its definition, with all of the past kept. Its clock stands still while the load is not known. */
function expected(looks: readonly Look[], scale: Scale, before: number): number[] {
  const past = [{ at: 0, instances: before }]
  let at = 0
  let seen = 0
  return looks.map(({ gap, load }) => {
    if (!load.isPartial) at += gap
    const last = past.at(-1)?.instances ?? 0
    const all = allFor(load, scale)
    const twice = Math.min(all, seen)
    seen = load.isPartial ? Math.max(all, seen) : all
    const believed = all <= last ? all : Math.max(sureFor(load, scale), twice, last)
    const now = { at, instances: load.isPartial ? Math.max(believed, last) : believed }
    past.push(now)
    const counting = past.filter(
      (one) => one === now || one.at > at - scale.cooldown || (load.isPartial && one.at === at),
    )
    const most = Math.max(...counting.map(({ instances }) => instances))
    return Math.min(Math.max(most, scale.min), scale.max)
  })
}

t.test('what a load is worth', async (t) => {
  const of = (ready: number, inProgress = 0) => instancesFor({ ready, inProgress }, SCALE)
  t.same([of(0), of(1), of(100), of(101), of(60, 41), of(400), of(401), of(1e9)], [1, 1, 1, 2, 2, 4, 4, 4])
  t.equal(instancesFor({ ready: 0, inProgress: 0 }, { ...SCALE, min: 0 }), 0, 'nothing to do')
  t.equal(instancesFor({ ready: 0, inProgress: 1 }, { ...SCALE, min: 0 }), 1, 'one message is worth one')
  t.equal(instancesFor({ ready: 0, inProgress: 25, filled: 3 }, SCALE), 3, 'those that are busy are needed')
  t.equal(instancesFor({ ready: 300, inProgress: 20, filled: 2 }, SCALE), 4)
})

t.test('out at once, in after the cooldown', async (t) => {
  const load = (ready: number, gap = 1_000): Look => ({ gap, load: { ready, inProgress: 0 } })
  const looks = [load(50), load(250), load(50), load(50), load(50, 7_000), load(50, 999), load(50, 1)]
  t.same(
    run(looks, SCALE).map(({ desired }) => desired),
    [1, 3, 3, 3, 3, 3, 1],
  )
})

t.test('in by steps, where the load went by steps', async (t) => {
  const looks = [350, 250, 50, 0, 0, 0].map((ready) => ({ gap: 4_000, load: { ready, inProgress: 0 } }))
  t.same(
    run(looks, SCALE).map(({ desired }) => desired),
    [4, 4, 4, 3, 1, 1],
  )
})

t.test('what ran before the first look may have been needed', async (t) => {
  const idle = { ready: 0, inProgress: 0 }
  t.same(
    run(
      [
        { gap: 1, load: idle },
        { gap: 9_998, load: idle },
        { gap: 1, load: idle },
      ],
      SCALE,
      3,
    ).map(({ desired }) => desired),
    [3, 3, 1],
  )
})

t.test('it is what its definition says, whatever the loads', async () => {
  fc.assert(
    fc.property(series(loads), scales, fc.nat(20), (looks, scale, before) => {
      const found = run(looks, scale, before).map(({ desired }) => desired)
      const wanted = expected(looks, scale, before)
      return found.every((desired, index) => desired === wanted[index])
    }),
    { numRuns: 1_000 },
  )
})

t.test('never out of bounds, and a whole number', async () => {
  fc.assert(
    fc.property(series(loads), scales, fc.nat(20), (looks, scale, before) =>
      run(looks, scale, before).every(
        ({ desired }) => Number.isInteger(desired) && desired >= scale.min && desired <= scale.max,
      ),
    ),
    { numRuns: 500 },
  )
})

t.test(
  'out at once: never fewer than the load is worth, known or not, where nothing may be counted twice',
  async () => {
    fc.assert(
      fc.property(series(loads), scales, (looks, scale) =>
        run(looks, scale).every(({ desired, load }) => desired >= Math.min(sureFor(load, scale), scale.max)),
      ),
      { numRuns: 500 },
    )
  },
)

t.test('what may be counted twice is worth more at the second look in a row', async (t) => {
  const twice = (looks: Omit<Load, 'filled'>[]) =>
    run(
      looks.map((load) => ({ gap: 300, load })),
      { ...SCALE, messagesPerInstance: 1 },
    ).map(({ desired }) => desired)
  const both = { ready: 1, inProgress: 1 }
  const one = { ready: 0, inProgress: 1 }
  t.same(twice([one, both, one, both, one]), [1, 1, 1, 1, 1], 'one message after the other')
  t.same(twice([one, both, both]), [1, 1, 2], 'two messages')
  t.same(twice([{ ready: 2, inProgress: 0 }]), [2], 'two that wait, at once')
  t.same(twice([{ ready: 1, inProgress: 2 }]), [2], 'two that are in progress, at once')
  const looked = (look: number, more: Partial<Load> = {}) => ({ ...both, look, ...more })
  t.same(twice([looked(1), looked(1), looked(1), looked(2)]), [1, 1, 1, 2], 'the same look again is not another one')
  t.same(twice([looked(1, { besides: 0 }), looked(2, { besides: 0 })]), [1, 1], 'taken after the queue had been asked')
})

t.test('out at once, also after a look that was lower', async () => {
  fc.assert(
    fc.property(series(loads), loads, scales, (looks, load, scale) => {
      const found = run([...looks, { gap: 300, load }, { gap: 300, load }], scale).at(-1)
      return (found?.desired ?? 0) >= instancesFor(load, scale)
    }),
    { numRuns: 500 },
  )
})

t.test('never in before the cooldown: what was worth more is longer ago than that', async () => {
  fc.assert(
    fc.property(series(known), scales, (looks, scale) => {
      const steps = run(looks, scale)
      return steps.every(({ at, desired }, index) => {
        const recent = steps.slice(0, index).filter((one) => one.at > at - scale.cooldown)
        return recent.every(({ load }) => Math.min(sureFor(load, scale), scale.max) <= desired)
      })
    }),
    { numRuns: 500 },
  )
})

t.test('after a step out none in until the cooldown is over', async () => {
  fc.assert(
    fc.property(series(loads), scales, (looks, scale) => {
      let desired = scale.min
      let outAt = Number.NEGATIVE_INFINITY
      return run(looks, scale).every((one) => {
        const isIn = one.desired < desired
        if (one.desired > desired) outAt = one.at
        desired = one.desired
        return !isIn || one.at - outAt >= scale.cooldown
      })
    }),
    { numRuns: 500 },
  )
})

t.test('a steady load changes nothing, nor does noise within what an instance is worth', async () => {
  const noises = fc.array(fc.record({ gap: gaps, noise: fc.double({ min: 0, max: 1, noNaN: true }) }), {
    minLength: 1,
    maxLength: 60,
  })
  fc.assert(
    fc.property(noises, scales, fc.nat(20), (noise, scale, above) => {
      // From one message above what the instances before it do, to all that this one does.
      const steady = scale.messagesPerInstance
      const looks = noise.map(({ gap, noise }) => {
        const messages = above * steady + 1 + Math.floor(noise * (steady - 1))
        const inProgress = Math.min(10, messages)
        return { gap, load: { ready: messages - inProgress, inProgress } }
      })
      const before = instancesFor({ ready: above * steady + 1, inProgress: 0 }, scale)
      return run(looks, scale, before).every(({ desired }) => desired === before)
    }),
    { numRuns: 500 },
  )
})

t.test('a load with gaps that are shorter than the cooldown changes nothing', async () => {
  const bursts = fc.array(fc.record({ pause: fc.double({ min: 0, max: 0.99, noNaN: true }), low: known }), {
    minLength: 1,
    maxLength: 30,
  })
  fc.assert(
    fc.property(bursts, scales, counts, (bursts, scale, ready) => {
      const high = { ready, inProgress: 1 }
      const worth = instancesFor(high, scale)
      const looks = bursts.flatMap(({ pause, low }): Look[] => {
        const gap = Math.floor(pause * scale.cooldown)
        const lower = { ready: Math.min(low.ready, ready), inProgress: 0 }
        return [
          { gap: Math.floor(gap / 2), load: lower },
          { gap: Math.ceil(gap / 2), load: lower },
          { gap: 0, load: high },
          { gap: 0, load: high },
        ]
      })
      const found = run([{ gap: 1, load: high }, ...looks], scale, worth)
      return scale.cooldown === 0 || found.every(({ desired }) => desired === worth)
    }),
    { numRuns: 500 },
  )
})

t.test('it converges to what the load is worth within the cooldown, and stays', async () => {
  fc.assert(
    fc.property(series(loads), scales, known, gaps, (looks, scale, load, step) => {
      const count = Math.ceil(scale.cooldown / step) + 5
      const steady = Array.from({ length: count }, (): Look => ({ gap: step, load }))
      const found = run([...looks, ...steady], scale)
      const began = found[looks.length]?.at ?? 0
      return found
        .slice(looks.length + 1)
        .filter(({ at }) => at >= began + scale.cooldown)
        .every(({ desired }) => desired === instancesFor(load, scale))
    }),
    { numRuns: 500 },
  )
})

t.test('a load that is not known lowers nothing, however long', async () => {
  const unknown = series(loads.map((load) => ({ ...load, isPartial: true })))
  fc.assert(
    fc.property(series(loads), unknown, scales, (looks, unknown, scale) => {
      const found = run([...looks, ...unknown], scale).slice(looks.length - 1)
      return found.every(({ desired }, index) => desired >= (found[index - 1]?.desired ?? 0))
    }),
    { numRuns: 500 },
  )
})

t.test('a load that is not known stops the clock of the cooldown, and changes nothing else', async () => {
  const silence: Load = { ready: 0, inProgress: 0, isPartial: true }
  const gapped = fc.array(fc.record({ gap: gaps, load: known, silent: fc.option(gaps) }), {
    minLength: 1,
    maxLength: 60,
  })
  fc.assert(
    fc.property(gapped, scales, (looks, scale) => {
      const without = run(looks, scale).map(({ desired }) => desired)
      const silences = looks.flatMap(({ gap, load, silent }): Look[] =>
        silent === null
          ? [{ gap, load }]
          : [
              { gap: silent, load: silence },
              { gap, load },
            ],
      )
      const found = run(silences, scale).filter(({ load }) => !load.isPartial)
      return found.every(({ desired }, index) => desired === without[index])
    }),
    { numRuns: 500 },
  )
})

t.test('one that ends is unknown for a moment: the next one does not wait for another cooldown', async (t) => {
  const idle: Load = { ready: 0, inProgress: 0 }
  const looks: Look[] = [
    { gap: 100, load: { ready: 350, inProgress: 0 } },
    { gap: 100, load: { ready: 150, inProgress: 0 } },
    { gap: 9_900, load: idle },
    { gap: 100, load: { ...idle, isPartial: true } },
    { gap: 100, load: idle },
  ]
  t.same(
    run(looks, SCALE).map(({ desired }) => desired),
    [4, 4, 2, 2, 1],
  )
})

t.test('what it remembers does not grow, and the function changes nothing that it was given', async () => {
  fc.assert(
    fc.property(series(loads), scales, (looks, scale) => {
      const falls = ({ recent }: Memory) =>
        recent.every((one, i) => i === 0 || one.instances < (recent[i - 1]?.instances ?? 0))
      return run(looks, scale).every(({ memory }) => memory.recent.length <= scale.max + 1 && falls(memory))
    }),
    { numRuns: 200 },
  )
  const why = Object.freeze({ by: 'before', instances: 3 } as const)
  const memory = Object.freeze({ recent: Object.freeze([Object.freeze({ at: 0, instances: 3, why })]) })
  const load = Object.freeze({ ready: 0, inProgress: 0 })
  follow(memory, load, SCALE, 20_000)
  follow(memory, load, SCALE, 20_000)
})
