/** What time it is, for everything that waits: it never goes back, whatever is done to the system's clock. */
export interface Clock {
  /** Milliseconds since 1970, with fractions. */
  now(): number
}

/**
 * The wall clock's time of now, and from then on what the machine has counted. What is written down in this time can be
 * read after a restart, when it is the wall clock's again.
 */
export function steadyClock(): Clock {
  const start = Date.now() - performance.now()
  return { now: () => start + performance.now() }
}
