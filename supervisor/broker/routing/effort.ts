import { precondition } from '../errors.ts'

/** Comparisons that routing one message may take: some 30 ms, in which nobody else is served. */
const MAX = 1_000_000

/** Counts the work of routing one message. */
export interface Effort {
  /** @throws AmqpError 406 once it is too much */
  spend(steps: number): void
}

/** Bindings with many wildcards or arguments, and a message with many keys, could otherwise hold up all others for minutes. */
export function limitEffort(max = MAX): Effort {
  let spent = 0
  return {
    spend(steps) {
      spent += steps
      if (spent > max) {
        throw precondition(
          `routing the message takes more than ${max} comparisons: use fewer keys in CC and BCC, or simpler bindings`,
        )
      }
    },
  }
}
