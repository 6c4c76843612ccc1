// Whole numbers from 0 up to 2^53 - 1, in 7 bits a byte, the lowest first: small numbers take one byte.

/** The most bytes that a number takes. */
export const VARINT_BYTES = 8

/** Writes a number, and returns where it ends. */
export function writeVarint(raw: Buffer, value: number, start: number): number {
  let at = start
  let rest = value
  while (rest > 0x7f) {
    raw[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  raw[at++] = rest
  return at
}

/** Numbers from a place on, one after the other. */
export interface VarintReader {
  /** Throws RangeError at the end of the bytes. */
  next(): number
}

export function varintReader(raw: Buffer, start: number): VarintReader {
  let at = start
  return {
    next() {
      let value = 0
      for (let factor = 1; ; factor *= 0x80) {
        const byte = raw[at++]
        if (byte === undefined) throw new RangeError('a number is cut off')
        value += (byte & 0x7f) * factor
        if (byte < 0x80) return value
      }
    },
  }
}
