import type { Test } from 'tap'

/** Whether times are held to what is promised of a machine that does nothing else: `npm run test:times` asks for that. */
export const isStrict = process.env.WARREN_STRICT === '1'

/**
 * A time that is promised, in milliseconds. Any machine can be too busy to keep it, so it is an assertion only where `isStrict`;
 * elsewhere it is told, and the test asserts an order, an event or a ratio instead.
 */
export function promised(t: Test, ms: number, most: number, what: string): void {
  const found = `${what}: ${Math.round(ms)} ms, of at most ${most}`
  if (isStrict) t.ok(ms <= most, found)
  else t.comment(found)
}
