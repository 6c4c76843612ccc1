import { type Allowed, withoutAllowed } from './allowed.ts'

export type Observations = ReadonlyMap<string, readonly string[]>

/**
 * The observers who saw different things, each with the first that differs; none where all agree. Where the order is not
 * promised (a `*` in the name) only the numbers of each observation count.
 */
export function differences(one: Observations, other: Observations, table?: readonly Allowed[]): string[] {
  const observers = [...new Set([...one.keys(), ...other.keys()])].sort()
  return observers.flatMap((who) => {
    const [a, b] = [seenBy(who, one, table), seenBy(who, other, table)]
    const at = a.findIndex((line, index) => line !== b[index])
    const first = at === -1 ? (b.length > a.length ? a.length : -1) : at
    if (first === -1) return []
    return [`${who}, observation ${first + 1}:\n    A: ${a[first] ?? '(nothing)'}\n    B: ${b[first] ?? '(nothing)'}`]
  })
}

function seenBy(who: string, all: Observations, table?: readonly Allowed[]): string[] {
  const seen = (all.get(who) ?? []).map((what) => withoutAllowed(who, what, table)).filter((what) => what !== undefined)
  return who.endsWith('*') ? seen.sort() : seen
}
