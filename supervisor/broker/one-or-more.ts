/** A set, but for the many that have one member: they are that, which takes a fifth of the memory. */
export type OneOrMore<T extends object> = T | Set<T>

export function withItem<T extends object>(all: OneOrMore<T> | undefined, item: T): OneOrMore<T> {
  if (all === undefined) return item
  return all instanceof Set ? all.add(item) : new Set([all, item])
}

/** Undefined if nothing is left. */
export function withoutItem<T extends object>(all: OneOrMore<T> | undefined, item: T): OneOrMore<T> | undefined {
  if (!(all instanceof Set)) return all === item ? undefined : all
  all.delete(item)
  return all.size > 0 ? all : undefined
}

export function itemsOf<T extends object>(all: OneOrMore<T> | undefined): Iterable<T> {
  if (all === undefined) return []
  return all instanceof Set ? all : [all]
}

export function countOf(all: OneOrMore<object> | undefined): number {
  if (all === undefined) return 0
  return all instanceof Set ? all.size : 1
}
