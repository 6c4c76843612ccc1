import type { Database } from './database.ts'
import {
  BODY,
  BODY_RANGE,
  DEFINITION,
  DEFINITION_RANGE,
  INDEX,
  INDEX_RANGE,
  OLD_DEFINITION,
  OLD_DEFINITION_RANGE,
  REDO,
} from './keys.ts'

// What a start reads of a store: all definitions and index records, which shared bodies there are, and whether the last
// commit is unfinished.

/** Gets a record that is at hand until it returns: its key, and right behind that its value. */
export type OnRecord = (bytes: Buffer, start: number, keyEnd: number, end: number) => void

/** How much of a record a start reads. @param kind its key's first byte */
export function partAtStart(kind: number | undefined): 'all' | 'key' | 'nothing' {
  if (kind === DEFINITION || kind === OLD_DEFINITION || kind === INDEX) return 'all'
  return kind === BODY || kind === REDO ? 'key' : 'nothing'
}

/** Reads from the database what a look at its file would have found. */
export function readRecords(database: Database, onRecord: OnRecord): void {
  for (const key of database.keys(...BODY_RANGE)) onRecord(key, 0, key.length, key.length)
  for (const range of [OLD_DEFINITION_RANGE, DEFINITION_RANGE, INDEX_RANGE]) {
    for (const { key, value } of database.range(...range)) {
      onRecord(Buffer.concat([key, value]), 0, key.length, key.length + value.length)
    }
  }
}
