import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const CHUNK_BYTES = 65_536

/**
 * The last lines of a file, read from its end: what it holds before them costs nothing. No such file: none.
 * @param count how many lines at most
 * @param mostBytes how far back to read at most; a line that began before is left out
 */
export function tailOf(file: string, count: number, mostBytes: number): string[] {
  if (count === 0) return []
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    const end = fstatSync(descriptor).size
    const chunks: Buffer[] = []
    let start = end
    let newlines = 0
    // The last line ends with a newline as well.
    while (start > 0 && newlines <= count && end - start < mostBytes) {
      const from = Math.max(start - CHUNK_BYTES, 0)
      const chunk = Buffer.alloc(start - from)
      const read = readSync(descriptor, chunk, 0, chunk.length, from)
      // Cut off meanwhile, by whoever rotates it.
      if (read < chunk.length) break
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) newlines++
      chunks.unshift(chunk)
      start = from
    }
    const lines = Buffer.concat(chunks).toString('utf8').split('\n')
    if (start > 0) lines.shift()
    return lines.filter(Boolean).slice(-count)
  } finally {
    closeSync(descriptor)
  }
}
