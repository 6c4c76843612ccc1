// How a machine's places are divided, and who waits for one: pure, so that it can be simulated.
import { live, type Placement, processes } from './plan.ts'
import { share } from './shares.ts'

/**
 * Milliseconds that a worker with work keeps its place while others wait for one. Then it takes no more messages, and the
 * place is free when those that it has are done. Long enough that processes do not start all the time. A worker that has
 * just had its turn waits at least this long before it ends another one's.
 */
export const TURN_MS = 10_000

/** Milliseconds that a process may take to start: its turn begins when it takes messages. After this the turn is over. */
export const START_MS = 60_000

/** How long a worker has had a place, or waited for one. Times are milliseconds; undefined: not so. */
export interface Turn {
  /** Since when it has an instance. */
  readonly placed: number | undefined
  /** Since when one of its instances takes messages. */
  readonly working: number | undefined
  /** Since when it has work and no instance. */
  readonly waiting: number | undefined
  /** When it last gave up its place in spite of its work. */
  readonly yielded: number | undefined
}

/** By worker. */
export type Turns = ReadonlyMap<string, Turn>

/** Why a worker has fewer than it wants: all have a share, or the others' turn is not over, or it has nothing to do. */
export type Short = 'share' | 'turn' | 'idle'

export interface Share {
  /** How many instances of it should be live. */
  readonly goal: number
  readonly short?: Short
}

/** What the turns are after another look. */
export function followTurns(turns: Turns, placements: readonly Placement[], at: number): Turns {
  return new Map(
    placements.map(({ name, instances, needed }): [string, Turn] => {
      const before = turns.get(name)
      const running = live(instances)
      const isWaiting = running.length === 0 && needed > 0
      if (running.length > 0) {
        const isWorking = running.some(({ isReady }) => isReady)
        const working = before?.working ?? (isWorking ? at : undefined)
        return [name, { placed: before?.placed ?? at, working, waiting: undefined, yielded: before?.yielded }]
      }
      const hasYielded = before?.placed !== undefined && isWaiting
      return [
        name,
        {
          placed: undefined,
          working: undefined,
          waiting: isWaiting ? (before?.waiting ?? at) : undefined,
          yielded: hasYielded ? at : before?.yielded,
        },
      ]
    }),
  )
}

/**
 * How many instances each worker gets here, by name. Those that nobody scales have what they have, and the others divide
 * what is left of the ceiling: first what each needs for its work, then what it keeps for its cooldown, its `min` or a
 * pin. Where there is not a place for each that has work, they take turns: who has waited longest comes next, in the
 * place of one that is idle, or of the one whose turn is over for longest.
 */
export function divide(
  placements: readonly Placement[],
  ceiling: number,
  turns: Turns = new Map(),
  at = 0,
): Map<string, Share> {
  const scaled = placements.flatMap((one) => (one.wanted === undefined ? [] : [{ ...one, wanted: one.wanted }]))
  const unscaled = placements.filter(({ wanted }) => wanted === undefined)
  const room = Math.max(ceiling - unscaled.reduce((sum, { instances }) => sum + processes(instances), 0), 0)
  const needs = new Map(scaled.map(({ name, wanted, needed }) => [name, Math.min(needed, wanted)]))
  const needy = scaled.filter(({ name }) => needs.get(name))
  const has = new Map(scaled.map(({ name, instances }) => [name, live(instances).length]))
  const first = share(needs, room, { has, order: inTurn(needy, turns, at) })

  const left = room - [...first.values()].reduce((sum, count) => sum + count, 0)
  const rest = ([name, count]: [string, number]): [string, number] => [name, count - (needs.get(name) ?? 0)]
  const more = new Map(scaled.map(({ name, wanted }) => rest([name, wanted])))
  const second = share(more, left, { has: new Map([...has].map(rest)) })

  return new Map(
    scaled.map(({ name, wanted }): [string, Share] => {
      const goal = (first.get(name) ?? 0) + (second.get(name) ?? 0)
      if (goal === wanted) return [name, { goal }]
      if (goal >= (needs.get(name) ?? 0)) return [name, { goal, short: 'idle' }]
      return [name, { goal, short: goal === 0 ? 'turn' : 'share' }]
    }),
  )
}

/** The workers that have work, in the order in which they get a place. */
function inTurn(needy: readonly Placement[], turns: Turns, at: number): string[] {
  function rank({ name, instances }: Placement): [group: number, since: number] {
    const { placed, working, waiting, yielded } = turns.get(name) ?? {}
    if (live(instances).length === 0) {
      // Who has just had a turn ends nobody's, or all of them would change places again and again.
      const isNext = yielded === undefined || at - yielded >= TURN_MS
      return [isNext ? 1 : 3, waiting ?? at]
    }
    const isOver = at - (working ?? at) >= TURN_MS || at - (placed ?? at) >= START_MS
    return [isOver ? 2 : 0, -(working ?? placed ?? at)]
  }
  return needy
    .map((one) => ({ name: one.name, rank: rank(one) }))
    .sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name)
}
