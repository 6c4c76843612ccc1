/** The first and last byte of a part of a file, both included. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The part of a file of `size` bytes that a Range header asks for (RFC 9110, 14.1.2).
 * Undefined: the whole file, because there is no header, its unit is not bytes, or it asks for several parts.
 */
export function parseRange(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const [, ranges] = /^\s*bytes\s*=(.*)$/i.exec(header ?? '') ?? []
  if (ranges === undefined || ranges.includes(',')) return undefined
  const [, first, last] = /^\s*(\d*)\s*-\s*(\d*)\s*$/.exec(ranges) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'unsatisfiable'
  // `-500`: the last 500 bytes.
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start >= size || start > end) return 'unsatisfiable'
  return { start, end }
}
