/** Bytes of one block; a longer text has a block to itself. */
const BLOCK_BYTES = 256 * 1024

/** Many short texts as bytes, one behind the other: nothing that V8 would have to look at again and again. */
export class Texts {
  #blocks: { bytes: Buffer; ends: number[] }[] = []

  /** Adds a copy of some bytes of UTF-8. */
  add(bytes: Buffer, start: number, end: number): void {
    let last = this.#blocks.at(-1)
    let at = last?.ends.at(-1) ?? 0
    if (!last || at + end - start > last.bytes.length) {
      last = { bytes: Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, end - start)), ends: [] }
      this.#blocks.push(last)
      at = 0
    }
    bytes.copy(last.bytes, at, start, end)
    last.ends.push(at + end - start)
  }

  /** Those that begin so. */
  *startingWith(prefix: string): Generator<string> {
    const wanted = Buffer.from(prefix)
    for (const { bytes, ends } of this.#blocks) {
      let start = 0
      for (const end of ends) {
        if (startsWith(bytes, start, end, wanted)) yield bytes.toString('utf8', start, end)
        start = end
      }
    }
  }
}

function startsWith(bytes: Buffer, start: number, end: number, wanted: Buffer): boolean {
  if (end - start < wanted.length) return false
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false
  return true
}
