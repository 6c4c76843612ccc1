// Which suspects run together in one process of the sandbox. Pure policy: it starts nothing.

/** Suspects that run in one process. */
export interface Batch<T> {
  readonly members: readonly T[]
  /** Nothing else may join them: one of them has ended the process that they were in before. */
  readonly isClosed: boolean
}

export interface Trials<T> {
  /** @param isAlone it has ended a process by itself before */
  add(suspect: T, isAlone: boolean): void
  /** It needs no trial any more. @returns whether it was waiting for one */
  remove(suspect: T): boolean
  /** The next that may run in a process of their own. */
  next(): Batch<T> | undefined
  /** Those that may join a process that runs others like them. */
  more(): readonly T[]
  /** A process has ended under these: who it was is found out by halves. */
  split(suspects: readonly T[]): void
  /** Those again, as they were: the process ended before it ran any. */
  again(batch: Batch<T>): void
  readonly waiting: number
}

/**
 * Suspects start out together. Where their process ends, those that ran are tried in halves, each in a process of its own,
 * until one is left: among n, the others are free after as many rounds as n can be halved.
 * @param isTogether false: each runs by itself from the start
 */
export function createTrials<T>({ isTogether }: { isTogether: boolean }): Trials<T> {
  let open: T[] = []
  let closed: (readonly T[])[] = []

  return {
    add(suspect, isAlone) {
      if (isAlone || !isTogether) closed.push([suspect])
      else open.push(suspect)
    },
    remove(suspect) {
      const before = this.waiting
      const others = (group: readonly T[]) => group.filter((other) => other !== suspect)
      open = others(open)
      closed = closed.map(others).filter((group) => group.length > 0)
      return this.waiting < before
    },
    next() {
      const group = closed.shift()
      if (group) return { members: group, isClosed: true }
      return open.length > 0 ? { members: open.splice(0), isClosed: false } : undefined
    },
    more: () => (closed.length > 0 ? [] : open.splice(0)),
    split(suspects) {
      const half = Math.ceil(suspects.length / 2)
      const halves = [suspects.slice(0, half), suspects.slice(half)]
      // Before all others: what has begun is brought to its end.
      closed.unshift(...halves.filter((group) => group.length > 0))
    },
    again({ members, isClosed }) {
      if (isClosed) closed.unshift(members)
      else open.unshift(...members)
    },
    get waiting() {
      return open.length + closed.reduce((sum, group) => sum + group.length, 0)
    },
  }
}
