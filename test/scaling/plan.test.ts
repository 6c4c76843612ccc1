import fc from 'fast-check'
import t from 'tap'
import { live, nextStep as nextStepTo, type Placement, type Running, type Step } from '../../supervisor/scaling/plan.ts'
import { divide } from '../../supervisor/scaling/turns.ts'

type Phase = Running['phase']

/** As many steps are never needed: a plan that takes them does not end. */
const TOO_MANY = 1_000

/** How many each worker gets, before anybody's turn is over. */
function targets(placements: readonly Placement[], ceiling: number): Map<string, number> {
  return new Map([...divide(placements, ceiling)].map(([name, { goal }]) => [name, goal]))
}

function nextStep(placements: readonly Placement[], ceiling: number): Step | undefined {
  return nextStepTo(placements, divide(placements, ceiling), ceiling)
}

const instances: fc.Arbitrary<Omit<Running, 'id'>> = fc.record({
  phase: fc.constantFrom<Phase>('live', 'live', 'live', 'quiet', 'asleep'),
  inProgress: fc.constantFrom(undefined, 0, 0, 1, 3),
})

const fleets: fc.Arbitrary<Placement[]> = fc
  .array(
    fc.record({
      instances: fc.array(instances, { minLength: 1, maxLength: 5 }),
      wanted: fc.option(fc.nat(6), { nil: undefined, freq: 4 }),
      needed: fc.nat(6),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((workers) => {
    let id = 0
    return workers.map(({ instances, wanted, needed }, index) => {
      const numbered = instances.map(({ phase, inProgress }) => ({
        id: id++,
        phase,
        inProgress: phase === 'asleep' ? 0 : inProgress,
      }))
      return { name: `worker-${index}`, instances: numbered, wanted, needed: Math.min(needed, wanted ?? 0) }
    })
  })

const ceilings = fc.integer({ min: 1, max: 14 })

/** What pm2 has once it has done a step. */
function apply(placements: readonly Placement[], step: Step): Placement[] {
  const ids = placements.flatMap(({ instances }) => instances.map(({ id }) => id))
  const to = (phase: Phase) => (one: Running) => {
    if (step.kind === 'add' || one.id !== step.id) return one
    return { id: one.id, phase, inProgress: phase === 'asleep' ? 0 : phase === 'live' ? undefined : one.inProgress }
  }
  return placements.map((placement) => {
    if (placement.name !== step.worker) return placement
    const { instances } = placement
    const after = {
      add: () => [...instances, { id: Math.max(-1, ...ids) + 1, phase: 'live' as const, inProgress: undefined }],
      wake: () => instances.map(to('live')),
      quiet: () => instances.map(to('quiet')),
      sleep: () => instances.map(to('asleep')),
      end: () => instances.filter(({ id }) => step.kind === 'add' || id !== step.id),
    }
    return { ...placement, instances: after[step.kind]() }
  })
}

/** Time passes: what has not told tells, and messages are finished. */
function progress(placements: readonly Placement[]): Placement[] {
  const onward = ({ inProgress, ...one }: Running) => ({ ...one, inProgress: Math.max((inProgress ?? 2) - 1, 0) })
  return placements.map((one) => ({ ...one, instances: one.instances.map(onward) }))
}

/** All steps until there are none left, each with what it was decided on. */
function settle(start: readonly Placement[], ceiling: number) {
  let placements = [...start]
  const taken: { step: Step; before: Placement[]; after: Placement[] }[] = []
  while (taken.length < TOO_MANY) {
    const step = nextStep(placements, ceiling)
    if (step) {
      const after = apply(placements, step)
      taken.push({ step, before: placements, after })
      placements = after
    } else if (placements.some(isDraining)) placements = progress(placements)
    else break
  }
  return { taken, placements }
}

const isDraining = ({ instances, wanted }: Placement) =>
  wanted !== undefined && instances.some(({ phase, inProgress }) => phase === 'quiet' && inProgress !== 0)

const processes = (placements: readonly Placement[]) =>
  placements.flatMap(({ instances }) => instances.filter(({ phase }) => phase !== 'asleep')).length

const findIn = (placements: readonly Placement[], { worker }: Step) => placements.find(({ name }) => name === worker)

/** A worker with instances of these phases, numbered from 0. */
function worker(name: string, wanted: number | undefined, phases: readonly Phase[], inProgress = 0): Placement {
  return { name, wanted, needed: wanted ?? 0, instances: phases.map((phase, id) => ({ id, phase, inProgress })) }
}

t.test('examples', async (t) => {
  const step = (...placements: Placement[]) => nextStep(placements, 4)
  const what = { worker: 'a', target: 1 }
  t.equal(step(worker('a', 1, ['live'])), undefined)
  t.same(step(worker('a', 1, ['asleep'])), { kind: 'wake', id: 0, ...what })
  t.same(step(worker('a', 2, ['live'])), { kind: 'add', worker: 'a', target: 2 })
  t.same(step(worker('a', 1, ['quiet'], 1)), { kind: 'add', ...what }, 'one that is to go does not count')
  t.same(step(worker('a', 1, ['live', 'live'])), { kind: 'quiet', id: 1, ...what }, 'the youngest goes')
  t.same(step(worker('a', 1, ['live', 'quiet'])), { kind: 'end', id: 1, ...what })
  t.equal(step(worker('a', 1, ['live', 'quiet'], 1)), undefined, 'not while it has messages')
  t.same(step(worker('a', 0, ['live'])), { kind: 'quiet', id: 0, worker: 'a', target: 0 })
  t.same(step(worker('a', 0, ['quiet'])), { kind: 'sleep', id: 0, worker: 'a', target: 0 }, 'the last one is kept')
  t.same(step(worker('a', 0, ['asleep', 'quiet'])), { kind: 'end', id: 1, worker: 'a', target: 0 })
  t.equal(step(worker('a', undefined, ['live', 'quiet', 'asleep'])), undefined)
})

t.test('the idle one goes first, and one that has not told last', async (t) => {
  const leaving = (...inProgress: (number | undefined)[]) => {
    const placement = { name: 'a', wanted: 1, needed: 1, instances: inProgress.map((n, id) => live1(id, n)) }
    return (nextStep([placement], 9) as { id: number }).id
  }
  const live1 = (id: number, inProgress: number | undefined) => ({ id, phase: 'live' as const, inProgress })
  t.equal(leaving(3, 0, 2), 1)
  t.equal(leaving(3, undefined, 2), 2)
  t.equal(leaving(undefined, undefined), 1)
})

t.test('one without any comes first, also where others shall have none', async (t) => {
  const fed = worker('fed', 4, ['live', 'live', 'live'])
  const none = worker('none', 0, ['asleep'])
  const starved = worker('starved', 2, ['asleep'])
  t.match(nextStep([fed, none, starved], 9), { kind: 'wake', worker: 'starved' })
})

t.test('it reaches the targets, and stops', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) => {
      const { taken, placements } = settle(fleet, ceiling)
      const goals = targets(placements, ceiling)
      return (
        taken.length < TOO_MANY &&
        placements.every(
          ({ name, instances, wanted }) => wanted === undefined || live(instances).length === goals.get(name),
        ) &&
        placements.every(({ wanted, instances }) => wanted === undefined || !instances.some((i) => i.phase === 'quiet'))
      )
    }),
    { numRuns: 1_000 },
  )
})

t.test('without a detour: nothing is started to be ended, and nothing twice', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) => {
      const { taken } = settle(fleet, ceiling)
      const goals = targets(fleet, ceiling)
      const needed = fleet.reduce((sum, { name, instances, wanted }) => {
        if (wanted === undefined) return sum
        const missing = (goals.get(name) ?? 0) - live(instances).length
        const quiet = instances.filter(({ phase }) => phase === 'quiet').length
        return sum + quiet + (missing > 0 ? missing : -2 * missing)
      }, 0)
      return taken.length === needed
    }),
    { numRuns: 1_000 },
  )
})

t.test('nothing is started above the ceiling, which those that nobody scales use up as well', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) => {
      const most = Math.max(ceiling, processes(fleet))
      return settle(fleet, ceiling).taken.every(({ step: { kind }, after }) => {
        const count = processes(after)
        return count <= most && ((kind !== 'add' && kind !== 'wake') || count <= ceiling)
      })
    }),
    { numRuns: 1_000 },
  )
})

t.test('only what takes no more messages and has told that it has none is ended', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) =>
      settle(fleet, ceiling).taken.every(({ step, before }) => {
        if (step.kind !== 'end' && step.kind !== 'sleep') return true
        const one = findIn(before, step)?.instances.find(({ id }) => id === step.id)
        return one?.phase === 'quiet' && one.inProgress === 0
      }),
    ),
    { numRuns: 1_000 },
  )
})

t.test('each step fits the instance: one asleep is woken, one live is told to be quiet', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) =>
      settle(fleet, ceiling).taken.every(({ step, before }) => {
        const all = findIn(before, step)?.instances ?? []
        if (step.kind === 'add') return !all.some(({ phase }) => phase === 'asleep')
        const phase = all.find(({ id }) => id === step.id)?.phase
        return phase === { wake: 'asleep', quiet: 'live', end: 'quiet', sleep: 'quiet' }[step.kind]
      }),
    ),
    { numRuns: 500 },
  )
})

t.test('one that nobody scales is left alone, and every app keeps an entry', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) =>
      settle(fleet, ceiling).taken.every(
        ({ step, after }) =>
          findIn(after, step)?.wanted !== undefined && after.every(({ instances }) => instances.length > 0),
      ),
    ),
    { numRuns: 500 },
  )
})

t.test('who is started has least of what it should have', async () => {
  fc.assert(
    fc.property(fleets, ceilings, (fleet, ceiling) =>
      settle(fleet, ceiling).taken.every(({ step, before }) => {
        if (step.kind !== 'add' && step.kind !== 'wake') return true
        const goals = targets(before, ceiling)
        const part = ({ name, instances }: Placement) => live(instances).length / (goals.get(name) ?? 0)
        const lacking = before.filter((one) => one.wanted !== undefined && part(one) < 1)
        return part(findIn(before, step) as Placement) === Math.min(...lacking.map(part))
      }),
    ),
    { numRuns: 1_000 },
  )
})

t.test('it steps on while messages come and go, and the targets change', async () => {
  const changes = fc.array(fc.array(fc.nat(6), { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(fleets, ceilings, changes, (fleet, ceiling, changes) => {
      let placements = fleet
      for (const wanted of changes) {
        // Somewhere on the way the targets are others.
        for (let steps = 0; steps < 3; steps++) {
          const step = nextStep(placements, ceiling)
          placements = step ? apply(placements, step) : progress(placements)
          if (!placements.every(({ instances }) => instances.length > 0)) return false
        }
        placements = placements.map((one, i) =>
          one.wanted === undefined
            ? one
            : { ...one, wanted: wanted[i] ?? 0, needed: Math.min(one.needed, wanted[i] ?? 0) },
        )
      }
      const end = settle(placements, ceiling)
      const goals = targets(end.placements, ceiling)
      return end.placements.every(
        ({ name, instances, wanted }) => wanted === undefined || live(instances).length === goals.get(name),
      )
    }),
    { numRuns: 500 },
  )
})
