/** A number of milliseconds, or a string such as `'250ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | string

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** What a duration may look like, for error messages. */
export const DURATION_FORMAT = "milliseconds or a string such as '250ms', '30s', '5m', '2h', '1d'"

/** The longest delay that Node's timers keep (2^31 - 1 ms, about 24.8 days). */
export const MAX_TIMER_MS = 2_147_483_647

/** The longest delay of a message: the 2^28 - 1 ticks of 100 ms that the delay network counts, 310 days. */
export const MAX_DELAY_MS = (2 ** 28 - 1) * 100

/** The milliseconds of a duration, or undefined if it is not one. */
export function parseDuration(value: unknown): number | undefined {
  // Whole milliseconds: '16.1s' is not exact in binary, and some timers take nothing else.
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(value.trim())
  if (!match) return undefined
  return Math.round(Number(match[1]) * UNITS[(match[2] ?? 'ms') as keyof typeof UNITS])
}
