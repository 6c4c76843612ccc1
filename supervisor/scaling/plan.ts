// What to do next about a machine's instances: pure, so that it can be simulated.

/** An instance as far as the plan looks at it. */
export interface Running {
  readonly id: number
  /**
   * `live`: it takes messages, or is about to; `quiet`: it takes no more, and goes when it has none left; `asleep`: pm2
   * keeps it, without a process.
   */
  readonly phase: 'live' | 'quiet' | 'asleep'
  /** Messages; undefined: it has not told. */
  readonly inProgress: number | undefined
  /** Whether it has told that it takes messages. */
  readonly isReady?: boolean
}

/** A worker on this machine. */
export interface Placement {
  readonly name: string
  readonly instances: readonly Running[]
  /** How many should be live here; undefined: nobody scales it. */
  readonly wanted: number | undefined
  /** As many of these as have something to do. */
  readonly needed: number
}

export type Step =
  /** One more instance, of an app that has a process or none. */
  | { readonly kind: 'add'; readonly worker: string; readonly target: number }
  | { readonly kind: 'wake'; readonly worker: string; readonly id: number; readonly target: number }
  /** One that is to go takes no more messages … */
  | { readonly kind: 'quiet'; readonly worker: string; readonly id: number; readonly target: number }
  /** … and ends when it has none left. The last one of an app is kept asleep, to be woken. */
  | { readonly kind: 'end' | 'sleep'; readonly worker: string; readonly id: number; readonly target: number }

/**
 * The next thing to do, or undefined if all is as it should be: one at a time, because what pm2 is told at the same time
 * it gets wrong.
 * @param goals how many instances of each worker should be live, by name
 */
export function nextStep(
  placements: readonly Placement[],
  goals: ReadonlyMap<string, { readonly goal: number }>,
  ceiling: number,
): Step | undefined {
  const scaled = placements
    .flatMap(({ name, instances, wanted }) => {
      const goal = goals.get(name)?.goal
      return wanted === undefined || goal === undefined ? [] : [{ name, instances, goal, live: live(instances).length }]
    })
    // Whoever has least of what it should have: one without any comes first.
    .sort((a, b) => fulfilled(a) - fulfilled(b))
  const room = ceiling - placements.reduce((sum, { instances }) => sum + processes(instances), 0)

  for (const { name, instances, goal, live } of scaled) {
    if (live >= goal || room <= 0) continue
    const asleep = instances.find(({ phase }) => phase === 'asleep')
    const what = { worker: name, target: goal }
    return asleep ? { kind: 'wake', id: asleep.id, ...what } : { kind: 'add', ...what }
  }
  for (const { name, instances, goal } of scaled) {
    const done = instances.find(({ phase, inProgress }) => phase === 'quiet' && inProgress === 0)
    if (!done) continue
    return { kind: instances.length === 1 ? 'sleep' : 'end', worker: name, id: done.id, target: goal }
  }
  for (const { name, instances, goal, live: count } of scaled) {
    if (count <= goal) continue
    // Idle ones first, and of those the youngest: what has run for long has its caches.
    const [leaving] = [...live(instances)].sort((a, b) => busy(a) - busy(b) || b.id - a.id)
    if (leaving) return { kind: 'quiet', worker: name, id: leaving.id, target: goal }
  }
  return undefined
}

/** The instances that take messages. */
export function live(instances: readonly Running[]): Running[] {
  return instances.filter(({ phase }) => phase === 'live')
}

/** Those that have a process. */
export function processes(instances: readonly Running[]): number {
  return instances.filter(({ phase }) => phase !== 'asleep').length
}

/** Its part of what it should have. One that should have none lacks nothing; 0 / 0 would compare with nobody. */
function fulfilled({ live, goal }: { live: number; goal: number }): number {
  return goal === 0 ? 1 : live / goal
}

function busy({ inProgress }: Running): number {
  return inProgress ?? Number.POSITIVE_INFINITY
}
