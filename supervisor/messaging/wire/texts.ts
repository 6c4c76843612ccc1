import { isUtf8 } from 'node:buffer'

/** Texts that are mostly one of a few. */
export interface Texts {
  at(bytes: Buffer, start: number, end: number): string
}

/** How many of a kind are remembered. */
const FEW = 4

/** Remembers a few texts by their bytes, so that what is the same in message after message is decoded once. */
export function createTexts(): Texts {
  const known: { readonly bytes: Buffer; readonly text: string }[] = []
  let oldest = 0
  return {
    at(bytes, start, end) {
      for (const one of known) if (isSame(one.bytes, bytes, start, end)) return one.text
      const text = bytes.toString('utf8', start, end)
      // A copy: the bytes belong to a piece of what the socket has read.
      known[oldest] = { bytes: Buffer.from(bytes.subarray(start, end)), text }
      oldest = (oldest + 1) % FEW
      return text
    },
  }
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}

/** A text, or the bytes where they are no UTF-8. */
export function textOrBytes(bytes: Buffer, start: number, end: number): string | Buffer {
  const text = bytes.toString('utf8', start, end)
  // Looking for the character that stands for what is no UTF-8 is cheaper than looking at the bytes a second time.
  if (!text.includes('\ufffd')) return text
  const view = bytes.subarray(start, end)
  return isUtf8(view) ? text : view
}

export function u16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

export function u32(bytes: Buffer, at: number): number {
  return ((u16(bytes, at) << 16) >>> 0) + u16(bytes, at + 2)
}
