/** Letters, digits, `-` and `_`: dots separate a fanout from its subscriptions and an address from its dead letters. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/

/** What a name may look like, for error messages. */
export const NAME_FORMAT = "1 to 100 letters, digits, '-' or '_', the first a letter or digit"

export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}
