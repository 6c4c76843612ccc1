import { readSync } from 'node:fs'

// The layouts of lmdb's file, as its mdb.c has them: MDB_page_header, MDB_meta, MDB_db, MDB_node, MDB_ovpage.

export const META_BYTES = 160
/** The number of the first page behind the two starts. */
export const FIRST_PAGE = 2
export const NO_PAGE = 2n ** 64n - 1n
const PAGE_HEADER = 24
const MAGIC = 0xbeefc0de
const P_BRANCH = 1
const P_LEAF = 2
const P_OVERFLOW = 4
const P_META = 8
const F_BIGDATA = 1
const NODE_HEADER = 8
const OVERFLOW = 24

/** One of the file's two tables: that of its free pages, and that of everything else. */
export interface Tree {
  /** How its keys are compared, and what else lmdb keeps there. */
  flags: number
  depth: number
  branches: number
  leaves: number
  overflows: number
  entries: number
  root: bigint
}

export interface Meta {
  version: number
  pageSize: number
  free: Tree
  main: Tree
  lastPage: number
  transaction: bigint
}

/** What is wrong with the file. */
export class FileProblem extends Error {}

/** @throws {FileProblem} */
export function readMeta(file: number, offset: number): Meta {
  const raw = Buffer.alloc(META_BYTES)
  if (readSync(file, raw, 0, META_BYTES, offset) < META_BYTES) throw new FileProblem('it is cut off at its start')
  const meta = raw.subarray(PAGE_HEADER)
  const pageSize = meta.readUInt32LE(24)
  if (!(raw.readUInt16LE(18) & P_META) || meta.readUInt32LE(0) !== MAGIC) {
    throw new FileProblem('its start is not that of a database')
  }
  if (pageSize < 512 || pageSize > 65_536 || pageSize & (pageSize - 1)) {
    throw new FileProblem(`its page size is ${pageSize}`)
  }
  const number = (at: number) => Number(meta.readBigUInt64LE(at))
  return {
    version: meta.readUInt32LE(4),
    pageSize,
    free: treeAt(meta, 24),
    main: treeAt(meta, 72),
    lastPage: number(120),
    transaction: meta.readBigUInt64LE(128),
  }
}

/** The file's two starts. @throws {FileProblem} */
export function readMetas(file: number): [Meta, Meta] {
  const first = readMeta(file, 0)
  return [first, readMeta(file, first.pageSize)]
}

/** The start that the last commit has written. */
export function newest([first, second]: readonly [Meta, Meta]): Meta {
  return second.transaction > first.transaction ? second : first
}

/** The pages of a tree. */
export function pagesOf({ branches, leaves, overflows }: Tree): number {
  return branches + leaves + overflows
}

function treeAt(meta: Buffer, at: number): Tree {
  const [branches, leaves, overflows, entries] = [8, 16, 24, 32].map((more) => Number(meta.readBigUInt64LE(at + more)))
  const counts = { branches, leaves, overflows, entries } as Pick<Tree, 'branches' | 'leaves' | 'overflows' | 'entries'>
  return {
    flags: meta.readUInt16LE(at + 4),
    depth: meta.readUInt16LE(at + 6),
    ...counts,
    root: meta.readBigUInt64LE(at + 40),
  }
}

/** A page of a tree. A start looks at thousands, so nothing is made of what is in it until somebody asks. */
export interface Page {
  readonly raw: Buffer
  readonly isBranch: boolean
  /** Where its nodes begin, in the order of their keys: each is a header, a key and, right behind it, a value. */
  readonly nodes: readonly number[]
}

/**
 * @param transaction the last one
 * @throws {FileProblem} if it is not a page with that number, or anything in it can't be
 */
export function readPage(raw: Buffer, number: number, transaction: bigint): Page {
  const kind = raw.readUInt16LE(18)
  const [lower, upper] = [raw.readUInt16LE(20), raw.readUInt16LE(22)]
  const isBranch = kind === P_BRANCH
  if (!hasNumber(raw, number, transaction) || (!isBranch && kind !== P_LEAF)) throw wrong(number)
  if (lower & 1 || lower > upper || PAGE_HEADER + upper > raw.length) throw wrong(number)
  const nodes: number[] = []
  let used = 0
  for (let at = PAGE_HEADER; at < PAGE_HEADER + lower; at += 2) {
    const node = PAGE_HEADER + raw.readUInt16LE(at)
    if (node < PAGE_HEADER + upper || node + NODE_HEADER > raw.length) throw wrong(number)
    const flags = raw.readUInt16LE(node + 4)
    if (!isBranch && flags !== 0 && flags !== F_BIGDATA) throw wrong(number)
    const end = isBranch ? keyEnd(raw, node) : valueEnd(raw, node)
    if (end > raw.length) throw wrong(number)
    used += (end - node + 1) & ~1
    nodes.push(node)
  }
  // Nothing but nodes, without gaps, lies behind the free space.
  if (used !== raw.length - PAGE_HEADER - upper || nodes.length === 0) throw wrong(number)
  return { raw, isBranch, nodes }
}

export function keyStart(node: number): number {
  return node + NODE_HEADER
}

export function keyEnd(raw: Buffer, node: number): number {
  return node + NODE_HEADER + raw.readUInt16LE(node + 6)
}

/** Of a leaf's node: where its value ends, or what stands for a large one. */
export function valueEnd(raw: Buffer, node: number): number {
  return keyEnd(raw, node) + (raw.readUInt16LE(node + 4) ? OVERFLOW : raw.readUInt32LE(node))
}

/** Of a branch's node: the page below. */
export function childOf(raw: Buffer, node: number): number {
  return raw.readUInt32LE(node) + raw.readUInt16LE(node + 4) * 2 ** 32
}

/** A value that lies in pages of its own. */
export interface Large {
  readonly page: number
  readonly pages: number
  readonly size: number
}

/** Of a leaf's node; undefined if its value lies in the page itself. */
export function largeOf(raw: Buffer, node: number): Large | undefined {
  if (raw.readUInt16LE(node + 4) === 0) return undefined
  const at = keyEnd(raw, node)
  const [page, pages] = [Number(raw.readBigUInt64LE(at)), Number(raw.readBigUInt64LE(at + 16))]
  return { page, pages, size: raw.readUInt32LE(node) }
}

function wrong(number: number): FileProblem {
  return new FileProblem(`page ${number} is not what it should be`)
}

/** How many pages a value of so many bytes has for itself. */
export function pagesFor(size: number, pageSize: number): number {
  return Math.floor((PAGE_HEADER - 1 + size) / pageSize) + 1
}

/** Whether this is the first page of a value that has so many pages. */
export function isOverflow(raw: Buffer, number: number, pages: number, transaction: bigint): boolean {
  return hasNumber(raw, number, transaction) && raw.readUInt16LE(18) === P_OVERFLOW && raw.readUInt32LE(20) === pages
}

/** Whether a page has its own number, and that of a transaction that has been. */
function hasNumber(raw: Buffer, number: number, transaction: bigint): boolean {
  return raw.readBigUInt64LE(0) === BigInt(number) && raw.readBigUInt64LE(8) <= transaction
}

/** Where a large value begins in its first page. */
export const VALUE_START = PAGE_HEADER
