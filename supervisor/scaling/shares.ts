// Who gets how many instances where there are not enough: pure, so that it can be tested in bulk.

/**
 * Divides a machine's ceiling among its workers, fairly: nobody gets more than it wants, and whoever gets less than it
 * wants gets at least as many as everybody else, but for a remainder of one (max-min fairness). Where it does not even
 * do for one each, the first ones by name have it.
 * @param wanted by worker
 * @param ceiling how many there may be in all
 */
export function share(wanted: ReadonlyMap<string, number>, ceiling: number): Map<string, number> {
  const shares = new Map<string, number>()
  const byNeed = [...wanted].sort(([a, one], [b, other]) => one - other || (a < b ? -1 : 1))
  let left = Math.max(ceiling, 0)
  // The most modest first: what they leave is the others' to divide.
  byNeed.forEach(([name, want], index) => {
    const given = Math.min(want, Math.ceil(left / (byNeed.length - index)))
    shares.set(name, given)
    left -= given
  })
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
