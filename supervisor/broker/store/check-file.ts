import { fstatSync, readSync } from 'node:fs'
import {
  FIRST_PAGE,
  FileProblem,
  isOverflow,
  type Meta,
  NO_PAGE,
  newest,
  type Page,
  pagesFor,
  readMetas,
  readPage,
  type Tree,
  VALUE_START,
} from './pages.ts'

// lmdb reads its file through a memory map, and trusts it: where the file is cut off, a read ends the process with SIGBUS;
// where a page is not what it should be, it ends by an assertion, searches past keys that are there, or writes over
// others. So before lmdb sees the file, all pages of its trees are looked at: their structure, the order of their keys,
// how many they are, and that no page is used twice or called free. That takes some milliseconds for a million messages,
// as their bodies aren't read (checksums are for those).

/**
 * Looks for damage in the structure of a database's file.
 * @returns what is wrong, or undefined
 */
export function findProblem(file: number): string | undefined {
  try {
    check(file)
    return undefined
  } catch (error) {
    if (error instanceof FileProblem) return error.message
    throw error
  }
}

function check(file: number): void {
  const metas = readMetas(file)
  const meta = newest(metas)
  if (!areOneFile(metas)) throw new FileProblem('its two starts do not belong together')
  const pages = createPages(file, meta)
  checkTree(meta.main, pages, true)
  const free: Buffer[] = []
  checkTree(meta.free, pages, false, (value) => void free.push(value))
  // What is free must be nobody's, or it would be written over.
  for (const list of free) checkFreeList(list, pages)
}

/** What a file's creation has written stays as it is; and each transaction writes the start that the one before did not. */
function areOneFile([first, second]: readonly [Meta, Meta]): boolean {
  if (first.pageSize !== second.pageSize || first.version !== second.version) return false
  if (first.free.flags !== second.free.flags || first.main.flags !== second.main.flags) return false
  if (first.transaction === 0n && second.transaction === 0n) return true
  const [older, newer] = second.transaction > first.transaction ? [first, second] : [second, first]
  return newer.transaction === older.transaction + 1n && (newer === second) === ((newer.transaction & 1n) === 1n)
}

/** Pages at the file's end that were free before anything was written there, at most. */
const MISSING_MAX = 2 ** 20

interface Pages {
  readonly pageSize: number
  /** The last one. */
  readonly transaction: bigint
  /** Notes that pages are used. @throws FileProblem if they can't be, or another uses one of them */
  take(start: number, count: number): void
  /** Notes that they are free: the file may end before them. @throws FileProblem as `take` does */
  free(start: number, count: number): void
  read(number: number): Buffer
  /** A value that has pages of its own. */
  readLarge(start: number, size: number): Buffer
}

function createPages(file: number, { pageSize, lastPage, transaction }: Meta): Pages {
  const inFile = Math.floor(fstatSync(file).size / pageSize)
  if (lastPage > inFile + MISSING_MAX)
    throw new FileProblem(`it is cut off: it had ${lastPage + 1} pages, and has ${inFile}`)
  const taken = new Uint8Array((lastPage >> 3) + 1)

  function note(start: number, end: number): void {
    if (!(start >= FIRST_PAGE && end - 1 <= lastPage)) throw new FileProblem(`page ${start} can't be in use`)
    for (let page = start; page < end; page++) {
      const bit = 1 << (page & 7)
      const byte = taken[page >> 3] as number
      if (byte & bit) throw new FileProblem(`page ${page} is in use twice`)
      taken[page >> 3] = byte | bit
    }
  }

  function readAt(number: number, bytes: number): Buffer {
    const raw = Buffer.allocUnsafe(bytes)
    if (readSync(file, raw, 0, bytes, number * pageSize) < bytes) throw new FileProblem('it is cut off')
    return raw
  }

  return {
    pageSize,
    transaction,
    take(start, count) {
      const end = start + count
      if (end > inFile) throw new FileProblem(`it is cut off: page ${end - 1} is in use, but the file has ${inFile}`)
      note(start, end)
    },
    free: (start, count) => note(start, start + count),
    read: (number) => readAt(number, pageSize),
    readLarge: (start, size) => readAt(start, VALUE_START + size).subarray(VALUE_START),
  }
}

interface Visit {
  number: number
  depth: number
  /** Keys are at or above the first, and below the second. */
  low: Buffer | undefined
  high: Buffer | undefined
}

/** @param onValue gets all values; without it large ones are not read */
function checkTree(tree: Tree, pages: Pages, isMain: boolean, onValue?: (value: Buffer) => void): void {
  const counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 }
  const isSorted = isMain ? inOrder : asNumbers
  const open: Visit[] = []
  if (tree.root !== NO_PAGE) open.push({ number: Number(tree.root), depth: 1, low: undefined, high: undefined })
  for (let visit = open.pop(); visit; visit = open.pop()) {
    const { number, depth } = visit
    pages.take(number, 1)
    const page = readPage(pages.read(number), number, pages.transaction, onValue !== undefined)
    if (!isSorted(page, visit)) throw new FileProblem(`the keys of page ${number} are not in order`)
    if (depth > tree.depth || page.isBranch === (depth === tree.depth)) {
      throw new FileProblem(`page ${number} is not as deep in the tree as it should be`)
    }
    if (page.isBranch) {
      counts.branches++
      open.push(...below(page, visit))
    } else {
      counts.leaves++
      counts.entries += page.keys.length
      for (const value of page.values) onValue?.(value)
      for (const large of page.large) {
        counts.overflows += large.pages
        checkLarge(large, pages)
        onValue?.(pages.readLarge(large.page, large.size))
      }
    }
  }
  for (const kind of ['branches', 'leaves', 'overflows', 'entries'] as const) {
    if (counts[kind] === tree[kind]) continue
    throw new FileProblem(`it has ${counts[kind]} ${kind} where its start says ${tree[kind]}`)
  }
}

function below({ keys, children }: Page, { depth, low, high }: Visit): Visit[] {
  return children.map((number, index) => ({
    number,
    depth: depth + 1,
    // A branch's first key stands for the lowest there is.
    low: index === 0 ? low : keys[index],
    high: index + 1 < children.length ? keys[index + 1] : high,
  }))
}

function checkLarge({ page, pages: count, size }: Page['large'][number], pages: Pages): void {
  // A transaction that writes a record twice leaves the pages of the first, even if the second needs fewer.
  if (count < pagesFor(size, pages.pageSize)) throw new FileProblem(`page ${page} is not what it should be`)
  pages.take(page, count)
  if (!isOverflow(pages.read(page), page, count, pages.transaction))
    throw new FileProblem(`page ${page} is not what it should be`)
}

function inOrder({ keys, isBranch }: Page, { low, high }: Visit): boolean {
  const from = isBranch ? 1 : 0
  const [first, last] = [keys[from], keys.at(-1)]
  for (let i = from + 1; i < keys.length; i++) {
    if (Buffer.compare(keys[i - 1] as Buffer, keys[i] as Buffer) >= 0) return false
  }
  if (first && low && Buffer.compare(first, low) < 0) return false
  return !(last && high && keys.length > from && Buffer.compare(last, high) >= 0)
}

/** The free pages are listed by the transaction that freed them. */
function asNumbers({ keys, isBranch }: Page): boolean {
  const numbers = keys.slice(isBranch ? 1 : 0).map((key) => (key.length === 8 ? key.readBigUInt64LE() : -1n))
  return numbers.every((number, index) => number > (index > 0 ? (numbers[index - 1] as bigint) : -1n))
}

/** How many there are, then numbers of pages; one below 0 says how many follow one another from the next number on. */
function checkFreeList(list: Buffer, pages: Pages): void {
  const count = list.length >= 8 ? Number(list.readBigInt64LE()) : -1
  if (count < 0 || (count + 1) * 8 > list.length)
    throw new FileProblem('a list of free pages is longer than its record')
  let run = 1
  for (let at = 8; at < (count + 1) * 8; at += 8) {
    const entry = Number(list.readBigInt64LE(at))
    if (entry > 0) pages.free(entry, run)
    else if (run > 1) throw new FileProblem('a list of free pages is not what it should be')
    run = entry < 0 ? -entry : 1
  }
}
