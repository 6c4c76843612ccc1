import type { Entry } from './entry.ts'

/** Whether an entry's time is over. */
export function isOver(entry: Entry | undefined, now: number): boolean {
  return entry !== undefined && entry.expiresAt > 0 && entry.expiresAt <= now
}

/** The earlier of two times, of which 0 is never. */
export function earlier(one: number, other: number): number {
  return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other)
}
