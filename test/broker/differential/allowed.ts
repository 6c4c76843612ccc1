/** A difference between brokers that is known and meant. */
export interface Allowed {
  readonly reason: string
  /** The observation without what may differ; undefined where it may be missing altogether. */
  map(who: string, what: string): string | undefined
}

/** Applied to both brokers' observations before they are compared. */
export const allowed: readonly Allowed[] = []

/** An observation without what may differ. */
export function withoutAllowed(who: string, what: string, table: readonly Allowed[] = allowed): string | undefined {
  let mapped: string | undefined = what
  for (const { map } of table) if (mapped !== undefined) mapped = map(who, mapped)
  return mapped
}
