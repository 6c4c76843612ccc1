import type { DeadLetter } from '../base/dead-letters.ts'
import { ValidationError } from '../base/errors.ts'

/** Where a page of dead letters begins: which letter, and how many were in front of it in its queue. */
export interface Cursor {
  readonly worker: string
  readonly index: number
  readonly id: string
  /** When it failed last: two letters of one id are told apart by that. */
  readonly at: string | null
}

/** As a text that is nobody's business. */
export function cursorOf({ worker, index, id, at }: Cursor): string {
  return Buffer.from(JSON.stringify([worker, index, id, at])).toString('base64url')
}

/** @throws ValidationError if it is none */
export function readCursor(text: string): Cursor {
  try {
    const [worker, index, id, at] = JSON.parse(Buffer.from(text, 'base64url').toString())
    const isPlace = typeof worker === 'string' && Number.isSafeInteger(index) && index >= 0
    if (isPlace && typeof id === 'string' && (at === null || typeof at === 'string')) return { worker, index, id, at }
  } catch {
    // Not JSON: not one of ours.
  }
  throw new ValidationError('The page', [{ path: 'after', message: "expected the `next` of another page's answer" }])
}

/** Whether a letter is, or may be, the one that the cursor means. It never moves back, only up. */
export function isAt(cursor: Cursor, { id, lastFailedAt }: DeadLetter, index: number): boolean {
  return index <= cursor.index && id === cursor.id && lastFailedAt === cursor.at
}
