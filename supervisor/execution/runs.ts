import { createLine, type Standing } from '../base/line.ts'
import type { Incoming } from '../base/message.ts'

/** A message whose handler runs. */
export interface Run extends Standing<Run> {
  /** The delivery that it was started for. */
  readonly incoming: Incoming
  /** By `performance.now()`. */
  readonly began: number
  /** The same message, delivered again since the connection of the first delivery was lost: it waits for this run. */
  again: Incoming | undefined
}

export interface Runs {
  readonly size: number
  begin(incoming: Incoming): Run
  /**
   * Ends one.
   * @returns the delivery that its outcome is for; undefined: there is none, the broker delivers the message again
   */
  end(run: Run): Incoming | undefined
  /** What came over a connection that is gone is void: its runs go on, for a redelivery that may come. */
  lose(lost: AbortSignal): void
  /** Lets a redelivery wait for the run of the same message. @returns false: it does not run here */
  join(incoming: Incoming): boolean
}

/** Knows what runs, so that the same message never runs twice at once in one process. */
export function createRuns(): Runs {
  const all = createLine<Run>()
  /** Those whose delivery is void, by their message's queue and id: looked for only where a connection was lost. */
  const voids = new Map<string, Run[]>()

  function forget(run: Run): void {
    const key = keyOf(run.incoming)
    const others = voids.get(key)?.filter((other) => other !== run) ?? []
    if (others.length > 0) voids.set(key, others)
    else voids.delete(key)
  }

  return {
    get size() {
      return all.size
    },
    begin(incoming) {
      const run: Run = { incoming, began: performance.now(), again: undefined, before: undefined, after: undefined }
      all.add(run)
      return run
    },
    end(run) {
      all.delete(run)
      if (!run.incoming.lost.aborted) return run.incoming
      forget(run)
      return run.again?.lost.aborted ? undefined : run.again
    },
    lose(lost) {
      for (const run of all) {
        if (run.again?.lost === lost) run.again = undefined
        if (run.incoming.lost !== lost) continue
        const key = keyOf(run.incoming)
        voids.set(key, [...(voids.get(key) ?? []), run])
      }
    },
    join(incoming) {
      if (voids.size === 0 || !(incoming.redelivered || incoming.isSuspect)) return false
      const run = voids.get(keyOf(incoming))?.find((run) => !run.again && isSame(run.incoming, incoming))
      if (run) run.again = incoming
      return run !== undefined
    },
  }
}

function keyOf({ queue, id }: Incoming): string {
  return `${queue}\n${id}`
}

/** A sender may use an id twice, and a message of the same id may be another attempt. */
function isSame(one: Incoming, other: Incoming): boolean {
  return one.attempt === other.attempt && one.body.equals(other.body)
}
