/** What several counts were over time, as a test looks at them. */
export interface Curve {
  /** The longest time, in milliseconds, in which their sum was over a limit without a break. */
  longestAbove(limit: number): number
  /** The least sum since a time by `performance.now()`. */
  leastSince(from: number): number
  /** The counts whenever they have changed: `12.3 s 3+3`. */
  toString(): string
  end(): void
}

/** Milliseconds between two looks. */
const EVERY = 100

/** Looks at counts again and again. */
export function followCurve(counts: () => Promise<number[]>): Curve {
  const samples: { at: number; counts: number[] }[] = []
  const began = performance.now()
  let looking = false
  const timer = setInterval(look, EVERY)

  async function look(): Promise<void> {
    if (looking) return
    looking = true
    samples.push({ at: performance.now(), counts: await counts() })
    looking = false
  }

  return {
    longestAbove(limit) {
      let longest = 0
      let since: number | undefined
      for (const { at, counts } of samples) {
        since = sum(counts) > limit ? (since ?? at) : undefined
        longest = Math.max(longest, at - (since ?? at))
      }
      return Math.round(longest)
    },
    leastSince(from) {
      return Math.min(...samples.filter(({ at }) => at >= from).map(({ counts }) => sum(counts)))
    },
    toString() {
      const changes = samples.filter(({ counts }, i) => counts.join('+') !== samples[i - 1]?.counts.join('+'))
      return changes.map(({ at, counts }) => `${((at - began) / 1_000).toFixed(1)} s ${counts.join('+')}`).join(', ')
    },
    end() {
      clearInterval(timer)
    },
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
