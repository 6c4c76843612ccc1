/** A difference between brokers that is known and meant. */
export interface Allowed {
  readonly reason: string
  /** The observation without what may differ; undefined where it may be missing altogether. */
  map(who: string, what: string): string | undefined
}

/** Applied to both brokers' observations before they are compared. */
export const allowed: readonly Allowed[] = [
  {
    reason:
      'RabbitMQ counts as consumers of a quorum queue also those that were cancelled or that only fetched, as long as ' +
      'they have messages. The embedded broker counts those that consume.',
    map: (_who, what) => what.replace(/"consumerCount":\d+,?/, ''),
  },
  {
    reason: "RabbitMQ's text of an error names a type of queue as Erlang writes it.",
    map: (_who, what) => what.replace('<<\\"quorum\\">>', 'quorum'),
  },
]

/** An observation without what may differ. */
export function withoutAllowed(who: string, what: string, table: readonly Allowed[] = allowed): string | undefined {
  let mapped: string | undefined = what
  for (const { map } of table) if (mapped !== undefined) mapped = map(who, mapped)
  return mapped
}
