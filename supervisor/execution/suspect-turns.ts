import { createHash } from 'node:crypto'
import type { Incoming } from '../base/message.ts'

/** After so many returns a suspect may be what ends the worker's own process, from within the sandbox. */
const SPLIT_AFTER = 2
/** Milliseconds that the half that waits leaves to the other one to arrive. */
const HOLD_MS = 1_000

/** Suspects that wait for a place. */
export interface Suspects {
  push(incoming: Incoming): void
  /** @param running how many suspects run */
  next(running: number): Incoming | undefined
  /** Takes out those for which `isOut` holds. */
  remove(isOut: (incoming: Incoming) => boolean): Incoming[]
  readonly size: number
}

/**
 * The order in which suspects get their places. Mostly they run together. But one that takes the worker's own process along,
 * as where the sandbox exhausts the memory of a container, would end all that run with it each time, and they come back together.
 * So what has come back to the suspects more than once goes in halves, one after the other, and another half each time: the
 * innocents finish in as many rounds as such halves need to part them from it. Nobody is charged.
 * @param onRipe told when one that was held back may have its turn
 */
export function createSuspects(onRipe: () => void): Suspects {
  let first: Incoming[] = []
  let second: { incoming: Incoming; at: number }[] = []

  return {
    push(incoming) {
      if (!isSecond(incoming)) {
        first.push(incoming)
        return
      }
      second.push({ incoming, at: performance.now() + HOLD_MS })
      setTimeout(onRipe, HOLD_MS + 1)
    },
    next(running) {
      const incoming = first.shift()
      if (incoming) return incoming
      const now = performance.now()
      if (running > 0 || !second.some(({ at }) => at <= now)) return undefined
      // All of them at once: `running` holds back only those that come later.
      first = second.map(({ incoming }) => incoming)
      second = []
      return first.shift()
    },
    remove(isOut) {
      const all = [...first, ...second.map(({ incoming }) => incoming)]
      first = first.filter((incoming) => !isOut(incoming))
      second = second.filter(({ incoming }) => !isOut(incoming))
      return all.filter(isOut)
    },
    get size() {
      return first.length + second.length
    },
  }
}

/** Which half it is in: as good as drawn, and drawn anew at each return. */
export function isSecond({ id, returns }: Pick<Incoming, 'id' | 'returns'>): boolean {
  if (returns < SPLIT_AFTER) return false
  const [byte = 0] = createHash('sha256').update(`${returns} ${id}`).digest()
  return byte % 2 === 1
}
