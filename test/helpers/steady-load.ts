import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../supervisor/base/errors.ts'

/** The lines that handlers have appended to a file, each `ID MACHINE`. */
export interface Handled {
  /** How often each id was handled. */
  readonly times: ReadonlyMap<string, number>
  readonly count: number
  /** How many each machine has handled. */
  readonly byMachine: Readonly<Record<string, number>>
  /** The longest time, in milliseconds, in which none was handled, since it was last asked for. */
  takeLongestGap(): number
  /** Reads what has been appended since. */
  read(): void
}

export function followHandled(file: string): Handled {
  const times = new Map<string, number>()
  const byMachine: Record<string, number> = {}
  let count = 0
  let seen = 0
  let last = performance.now()
  let longestGap = 0
  return {
    times,
    byMachine,
    get count() {
      return count
    },
    takeLongestGap() {
      const gap = longestGap
      longestGap = 0
      return Math.round(gap)
    },
    read() {
      if (!existsSync(file)) return
      const text = readFileSync(file, 'latin1')
      const end = text.lastIndexOf('\n') + 1
      for (const line of text.slice(seen, end).split('\n')) {
        const [id, machine] = line.split(' ')
        if (!id || !machine) continue
        times.set(id, (times.get(id) ?? 0) + 1)
        byMachine[machine] = (byMachine[machine] ?? 0) + 1
        count++
      }
      if (end > seen) {
        longestGap = Math.max(longestGap, performance.now() - last)
        last = performance.now()
      }
      seen = end
    },
  }
}

export interface LoadOptions {
  /** Sends the message of that number; resolves when it is confirmed. */
  send: (n: number) => Promise<unknown>
  handled: Handled
  /** How many messages wait, at least, as long as it goes on. */
  backlog: number
}

/** Messages that come as fast as they are handled, so that there is always something to do. */
export interface Load {
  /** How many are confirmed: those numbered from 0 up to it. */
  readonly confirmed: number
  /** How often one had to be sent again, by the error's code. */
  readonly resent: Readonly<Record<string, number>>
  /** The longest time, in milliseconds, in which nothing was confirmed although something was on its way. */
  readonly longestWait: number
  /** Goes on until that many are confirmed, and then no longer. */
  end(least: number): Promise<void>
}

const SENDERS = 50

export function startLoad({ send, handled, backlog }: LoadOptions): Load {
  let next = 0
  let confirmed = 0
  const resent: Record<string, number> = {}
  let longestWait = 0
  let least = Number.POSITIVE_INFINITY
  const senders = Promise.all(Array.from({ length: SENDERS }, sendOn))
  // It is awaited at the end; until then its failure must not end the process.
  senders.catch(() => {})

  async function sendOn(): Promise<void> {
    while (next < least) {
      if (next - handled.times.size < backlog) await deliver(next++)
      else await sleep(50)
    }
  }

  // What was not confirmed is sent again, with the same id.
  async function deliver(n: number): Promise<void> {
    const began = performance.now()
    for (;;) {
      try {
        await send(n)
        confirmed++
        longestWait = Math.max(longestWait, performance.now() - began)
        return
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        resent[error.code] = (resent[error.code] ?? 0) + 1
        await sleep(50)
      }
    }
  }

  return {
    get confirmed() {
      return confirmed
    },
    resent,
    get longestWait() {
      return Math.round(longestWait)
    },
    async end(count) {
      least = Math.max(count, next)
      await senders
    },
  }
}
