// Who gets how many instances where there are not enough: pure, so that it can be tested in bulk.

export interface ShareOptions {
  /** What each has now, by name: whoever has the remainder keeps it. */
  readonly has?: ReadonlyMap<string, number>
  /** Who comes first where there is not even one for each; those that it does not name come last. */
  readonly order?: readonly string[]
}

/**
 * Divides a number of places among those that want some, fairly: nobody gets more than it wants, and whoever gets less
 * than it wants gets at least as many as everybody else, but for a remainder of one (max-min fairness). Where nothing
 * else decides, the first ones by name have it.
 * @param wanted by name
 * @param places how many there are in all
 */
export function share(
  wanted: ReadonlyMap<string, number>,
  places: number,
  { has = new Map(), order = [] }: ShareOptions = {},
): Map<string, number> {
  const byNeed = [...wanted.values()].sort((a, b) => a - b)
  let left = Math.max(places, 0)
  // What everybody gets who wants that many. The most modest first: what they leave is the others' to divide.
  let level = 0
  for (const [index, want] of byNeed.entries()) {
    level = Math.min(want, Math.floor(left / (byNeed.length - index)))
    if (level < want) break
    left -= want
  }
  const shares = new Map([...wanted].map(([name, want]) => [name, Math.min(want, level)]))
  const given = [...shares.values()].reduce((sum, count) => sum + count, 0)

  const ranks = new Map(order.map((name, index) => [name, index]))
  const rank = (name: string) => (level === 0 ? (ranks.get(name) ?? order.length) : 0)
  const held = (name: string) => Math.min(has.get(name) ?? 0, level + 1)
  const unsatisfied = [...wanted.keys()]
    .filter((name) => (wanted.get(name) ?? 0) > level)
    .sort((a, b) => rank(a) - rank(b) || held(b) - held(a) || (a < b ? -1 : 1))
  for (const name of unsatisfied.slice(0, Math.max(places - given, 0))) shares.set(name, level + 1)
  return shares
}

/**
 * This machine's part of a worker's instances: as equal as can be. Which machines have one more differs from worker to
 * worker, so that the first machine does not get all the single ones.
 * @param total over all machines
 * @param machines the ids of those that are there and run the worker, this one among them; in any order
 */
export function partOf(total: number, worker: string, machines: readonly string[], own: string): number {
  const sorted = [...machines].sort()
  const count = sorted.length
  const turn = (sorted.indexOf(own) + hash(worker)) % count
  return Math.floor(total / count) + (turn < total % count ? 1 : 0)
}

function hash(text: string): number {
  let value = 0
  for (const character of text) value = (value * 31 + (character.codePointAt(0) as number)) % 1_000_003
  return value
}
