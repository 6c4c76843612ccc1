import { fstatSync, readSync } from 'node:fs'
import {
  childOf,
  FIRST_PAGE,
  FileProblem,
  isOverflow,
  keyEnd,
  keyStart,
  type Large,
  largeOf,
  type Meta,
  NO_PAGE,
  newest,
  type Page,
  pagesFor,
  readMetas,
  readPage,
  type Tree,
  VALUE_START,
  valueEnd,
} from './pages.ts'
import { type OnRecord, partAtStart } from './records.ts'

// lmdb reads its file through a memory map, and trusts it: where the file is cut off, a read ends the process with SIGBUS;
// where a page is not what it should be, it ends by an assertion, searches past keys that are there, or writes over
// others. So before lmdb sees the file, all pages of its trees are looked at: their structure, the order of their keys,
// how many they are, and that no page is used twice or called free. That takes some milliseconds for a million messages,
// as their bodies aren't read (checksums are for those). The start gets from it the small records that it needs: to ask lmdb
// for each of them takes several times as long.

/**
 * Looks for damage in the structure of a database's file.
 * @param onRecord gets the records on the way, in the order of their keys, before all of the file was looked at
 * @returns what is wrong, or undefined
 */
export function findProblem(file: number, onRecord: OnRecord = () => {}): string | undefined {
  try {
    check(file, onRecord)
    return undefined
  } catch (error) {
    if (error instanceof FileProblem) return error.message
    throw error
  }
}

function check(file: number, onRecord: OnRecord): void {
  const metas = readMetas(file)
  const meta = newest(metas)
  if (!areOneFile(metas)) throw new FileProblem('its two starts do not belong together')
  const pages = createPages(file, meta)
  checkTree(meta.main, pages, inOrder, function passOn(page, node, large) {
    const { raw } = page
    const [start, end] = [keyStart(node), keyEnd(raw, node)]
    const part = partAtStart(raw[start])
    if (part === 'nothing') return
    if (part === 'key' || !large) return onRecord(raw, start, end, part === 'key' ? end : valueEnd(raw, node))
    const record = Buffer.concat([raw.subarray(start, end), pages.readLarge(large.page, large.size)])
    onRecord(record, 0, end - start, record.length)
  })
  const free: Buffer[] = []
  checkTree(meta.free, pages, asNumbers, function keep({ raw }, node, large) {
    const value = large ? pages.readLarge(large.page, large.size) : raw.subarray(keyEnd(raw, node), valueEnd(raw, node))
    free.push(Buffer.from(value))
  })
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
  /** A page, until the next one is read. */
  read(number: number): Buffer
  /** The first page of a large value, until the next one is read. */
  readFirst(number: number): Buffer
  /** A value that has pages of its own. */
  readLarge(start: number, size: number): Buffer
}

function createPages(file: number, { pageSize, lastPage, transaction }: Meta): Pages {
  const inFile = Math.floor(fstatSync(file).size / pageSize)
  if (lastPage > inFile + MISSING_MAX)
    throw new FileProblem(`it is cut off: it had ${lastPage + 1} pages, and has ${inFile}`)
  const taken = new Uint8Array((lastPage >> 3) + 1)
  const [page, firstOfLarge] = [Buffer.alloc(pageSize), Buffer.alloc(pageSize)]

  function note(start: number, end: number): void {
    if (!(start >= FIRST_PAGE && end - 1 <= lastPage)) throw new FileProblem(`page ${start} can't be in use`)
    for (let page = start; page < end; page++) {
      const bit = 1 << (page & 7)
      const byte = taken[page >> 3] as number
      if (byte & bit) throw new FileProblem(`page ${page} is in use twice`)
      taken[page >> 3] = byte | bit
    }
  }

  function readAt(number: number, raw: Buffer): Buffer {
    if (readSync(file, raw, 0, raw.length, number * pageSize) < raw.length) throw new FileProblem('it is cut off')
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
    read: (number) => readAt(number, page),
    readFirst: (number) => readAt(number, firstOfLarge),
    readLarge: (start, size) => readAt(start, Buffer.allocUnsafe(VALUE_START + size)).subarray(VALUE_START),
  }
}

interface Visit {
  number: number
  depth: number
  /** Keys are at or above the first, and below the second. */
  low: Buffer | undefined
  high: Buffer | undefined
}

/** Whether a page's keys are where and as they should be. */
type IsSorted = (page: Page, visit: Visit) => boolean

/** @param onNode gets each node of the leaves, in the order of their keys, while its page is at hand */
function checkTree(
  tree: Tree,
  pages: Pages,
  isSorted: IsSorted,
  onNode: (page: Page, node: number, large: Large | undefined) => void,
): void {
  const counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 }
  const open: Visit[] = []
  if (tree.root !== NO_PAGE) open.push({ number: Number(tree.root), depth: 1, low: undefined, high: undefined })
  for (let visit = open.pop(); visit; visit = open.pop()) {
    const { number, depth } = visit
    pages.take(number, 1)
    const page = readPage(pages.read(number), number, pages.transaction)
    if (!isSorted(page, visit)) throw new FileProblem(`the keys of page ${number} are not in order`)
    if (depth > tree.depth || page.isBranch === (depth === tree.depth)) {
      throw new FileProblem(`page ${number} is not as deep in the tree as it should be`)
    }
    if (page.isBranch) {
      counts.branches++
      // The first of them is the next.
      open.push(...below(page, visit).reverse())
      continue
    }
    counts.leaves++
    counts.entries += page.nodes.length
    for (const node of page.nodes) {
      const large = largeOf(page.raw, node)
      if (large) {
        counts.overflows += large.pages
        checkLarge(large, pages)
      }
      onNode(page, node, large)
    }
  }
  for (const kind of ['branches', 'leaves', 'overflows', 'entries'] as const) {
    if (counts[kind] === tree[kind]) continue
    throw new FileProblem(`it has ${counts[kind]} ${kind} where its start says ${tree[kind]}`)
  }
}

function below({ raw, nodes }: Page, { depth, low, high }: Visit): Visit[] {
  const keys = nodes.map((node) => Buffer.from(raw.subarray(keyStart(node), keyEnd(raw, node))))
  return nodes.map((node, index) => ({
    number: childOf(raw, node),
    depth: depth + 1,
    // A branch's first key stands for the lowest there is.
    low: index === 0 ? low : keys[index],
    high: index + 1 < nodes.length ? keys[index + 1] : high,
  }))
}

function checkLarge({ page, pages: count, size }: Large, pages: Pages): void {
  // A transaction that writes a record twice leaves the pages of the first, even if the second needs fewer.
  if (count < pagesFor(size, pages.pageSize)) throw new FileProblem(`page ${page} is not what it should be`)
  pages.take(page, count)
  if (!isOverflow(pages.readFirst(page), page, count, pages.transaction))
    throw new FileProblem(`page ${page} is not what it should be`)
}

function inOrder({ raw, nodes, isBranch }: Page, { low, high }: Visit): boolean {
  const from = isBranch ? 1 : 0
  const [first, last] = [nodes[from], nodes.at(-1)]
  if (first === undefined || last === undefined) return true
  for (let i = from + 1; i < nodes.length; i++) {
    const [one, other] = [nodes[i - 1] as number, nodes[i] as number]
    if (compare(raw, keyStart(one), keyEnd(raw, one), raw, keyStart(other), keyEnd(raw, other)) >= 0) return false
  }
  if (low && compare(raw, keyStart(first), keyEnd(raw, first), low, 0, low.length) < 0) return false
  return !high || compare(raw, keyStart(last), keyEnd(raw, last), high, 0, high.length) < 0
}

/** As `Buffer.compare`, of parts: keys differ soon, and a view of each would take longer. */
function compare(one: Buffer, from: number, to: number, other: Buffer, otherFrom: number, otherTo: number): number {
  const length = Math.min(to - from, otherTo - otherFrom)
  for (let i = 0; i < length; i++) {
    const difference = (one[from + i] as number) - (other[otherFrom + i] as number)
    if (difference !== 0) return difference
  }
  return to - from - (otherTo - otherFrom)
}

/** The free pages are listed by the transaction that freed them. */
function asNumbers({ raw, nodes, isBranch }: Page): boolean {
  let before = -1n
  for (const node of isBranch ? nodes.slice(1) : nodes) {
    const number = keyEnd(raw, node) - keyStart(node) === 8 ? raw.readBigUInt64LE(keyStart(node)) : -1n
    if (number <= before) return false
    before = number
  }
  return true
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
