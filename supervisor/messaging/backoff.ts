/** Milliseconds. */
export const LONGEST_DELAY = 5_000

/**
 * Milliseconds to wait before reconnection `attempt` (counted from 0): doubling from 100 ms to 5 s, each jittered by
 * half, so that many processes don't come back in step after a broker's restart.
 */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(LONGEST_DELAY, 100 * 2 ** Math.min(attempt, 10))
  return whole / 2 + (random() * whole) / 2
}
