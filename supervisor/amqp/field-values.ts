import { decodeText } from './text.ts'

/**
 * A value in a field table. Integers of every width are numbers (beyond 2^53 bigints), long strings are strings, byte
 * arrays are Buffers, void is null; types that JavaScript has no value of its own for are `Typed`.
 */
export type FieldValue = string | number | bigint | boolean | null | Buffer | Typed | FieldValue[] | Table

/** A field table. Decoded ones have no prototype, so that no name in them is special. Undefined values are left out. */
export type Table = { [name: string]: FieldValue | undefined }

interface Kinds {
  /** Seconds since 1970. */
  timestamp: number | bigint
  decimal: { places: number; digits: number }
  float: number
  /** A double that is a whole number; every other double is a plain number. */
  double: number
  /** A long string whose bytes are not UTF-8. */
  longstr: Buffer
}

/** A value with the name of its wire type. A class, because a client can send a table that has the same fields. */
export class TypedValue<K extends keyof Kinds> {
  // Makes the class nominal: an object literal of the same shape would be written as a table.
  protected declare readonly nominal: true
  readonly kind: K
  readonly value: Kinds[K]

  constructor(kind: K, value: Kinds[K]) {
    this.kind = kind
    this.value = value
  }
}

/** Any of the typed values; `kind` tells which. */
export type Typed = { [K in keyof Kinds]: TypedValue<K> }[keyof Kinds]

/** A timestamp for a table: whole seconds since 1970. */
export function timestamp(seconds: number | bigint): TypedValue<'timestamp'> {
  return new TypedValue('timestamp', seconds)
}

/** A long string as text that keeps its bytes; undefined for a value of another type. */
export function textOf(value: FieldValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof TypedValue && value.kind === 'longstr' ? decodeText(value.value as Buffer) : undefined
}

/** True for a typed value, whatever its kind. */
export function isTyped(value: unknown): value is Typed {
  return value instanceof TypedValue
}

/** True for a nested table, not for an array, a Buffer or a typed value. */
export function isTable(value: FieldValue | undefined): value is Table {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !isTyped(value)
  )
}
