import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** What is awaited, for the error: 'the queue to be empty'. */
  what: string
  /**
   * Milliseconds.
   * @default 30 seconds
   */
  timeout?: number
  /**
   * Milliseconds between two looks.
   * @default 20
   */
  interval?: number
}

/**
 * Looks until the predicate gives something truthy, and resolves with that. Only for what has no event to wait for.
 * A predicate that throws counts as not yet; its last error becomes the cause.
 * @throws an Error that says what was awaited, and what the predicate gave last
 */
export async function until<T>(
  predicate: () => T | Promise<T>,
  { what, timeout = 30_000, interval = 20 }: UntilOptions,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeout
  for (;;) {
    let last: unknown
    let cause: unknown
    try {
      const value = await predicate()
      if (value) return value
      last = value
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const found = cause === undefined ? `found ${JSON.stringify(last)}` : `the last look failed: ${cause}`
      throw new Error(`Waited ${timeout} ms for ${what}; ${found}`, { cause })
    }
    await sleep(interval)
  }
}
