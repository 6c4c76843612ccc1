import { closeSync, fstatSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { DATA_FILE } from './database.ts'
import { StoreDamagedError } from './errors.ts'
import { checkFormat, hasMarker } from './format.ts'

// lmdb reads its file through a memory map: where the file is cut off, a read ends the process with SIGBUS, and pages of
// zeros may end it with an assertion. So before lmdb sees the file, everything that a page of its trees points to is
// looked at: a few milliseconds for a million messages, as their bodies aren't read (checksums are for those).
// The layouts are those of lmdb's mdb.c: MDB_page_header, MDB_meta, MDB_db, MDB_node, MDB_ovpage.

const PAGE_HEADER = 24
const META_BYTES = 160
const MAGIC = 0xbeefc0de
const NO_PAGE = 2n ** 64n - 1n
const P_BRANCH = 1
const P_LEAF = 2
const P_META = 8
const F_BIGDATA = 1

/**
 * Checks that a folder's store is whole, as far as the database's own structure goes.
 * @returns whether there is none yet
 * @throws {StoreDamagedError}
 * @throws {StoreFormatError} for a store that another version of Warren has written
 */
export function checkFolder(folder: string): boolean {
  const file = join(folder, DATA_FILE)
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (!hasMarker(folder)) {
    // A creation that was cut short, before anything could be stored.
    if (size !== undefined && size < 2 * META_BYTES) rmSync(file)
    else if (size !== undefined) checkDataFile(folder, file)
    return true
  }
  checkFormat(folder)
  if (size === undefined) throw new StoreDamagedError(folder, `its file ${DATA_FILE} is gone`)
  checkDataFile(folder, file)
  return false
}

function checkDataFile(folder: string, path: string) {
  // The file has the machine's byte order; on the others lmdb has to find out for itself.
  if (endianness() !== 'LE') return
  const file = openSync(path, 'r')
  try {
    const problem = findProblem(file)
    if (problem) throw new StoreDamagedError(folder, `${DATA_FILE}: ${problem}`)
  } finally {
    closeSync(file)
  }
}

interface Meta {
  pageSize: number
  roots: bigint[]
  transaction: bigint
}

function findProblem(file: number): string | undefined {
  const size = fstatSync(file).size
  const first = readMeta(file, 0)
  if (typeof first === 'string') return first
  const second = readMeta(file, first.pageSize)
  if (typeof second === 'string') return second
  const { roots, pageSize } = second.transaction > first.transaction ? second : first
  const pages = BigInt(Math.floor(size / pageSize))
  const page = Buffer.alloc(pageSize)
  const open = roots.filter((root) => root !== NO_PAGE)
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (number >= pages) return `it is cut off: page ${number} is in use, but the file has ${pages}`
    readSync(file, page, 0, pageSize, Number(number) * pageSize)
    if (page.readBigUInt64LE(0) !== number || !(page.readUInt16LE(18) & (P_BRANCH | P_LEAF))) {
      return `page ${number} is not what it should be`
    }
    for (const pointer of pointersOf(page)) {
      if (!pointer) return `page ${number} is not what it should be`
      if (pointer.end > pages) return `it is cut off: page ${pointer.end - 1n} is in use, but the file has ${pages}`
      if (pointer.isTree) open.push(pointer.start)
    }
  }
  return undefined
}

function readMeta(file: number, offset: number): Meta | string {
  const raw = Buffer.alloc(META_BYTES)
  if (readSync(file, raw, 0, META_BYTES, offset) < META_BYTES) return 'it is cut off at its start'
  const meta = raw.subarray(PAGE_HEADER)
  const pageSize = meta.readUInt32LE(24)
  if (!(raw.readUInt16LE(18) & P_META) || meta.readUInt32LE(0) !== MAGIC) return 'its start is not that of a database'
  if (pageSize < 512 || pageSize > 65_536 || pageSize & (pageSize - 1)) return `its page size is ${pageSize}`
  return {
    pageSize,
    roots: [meta.readBigUInt64LE(64), meta.readBigUInt64LE(112)],
    transaction: meta.readBigUInt64LE(128),
  }
}

/** The pages that a branch or leaf page points to; undefined for a pointer that can't be one. */
function* pointersOf(page: Buffer): Iterable<{ start: bigint; end: bigint; isTree: boolean } | undefined> {
  const isBranch = (page.readUInt16LE(18) & P_BRANCH) !== 0
  const count = page.readUInt16LE(20) >> 1
  for (let i = 0; i < count; i++) {
    const node = PAGE_HEADER + page.readUInt16LE(Math.min(PAGE_HEADER + 2 * i, page.length - 2))
    if (node + 8 > page.length) {
      yield undefined
      return
    }
    const low = BigInt(page.readUInt32LE(node))
    const flags = page.readUInt16LE(node + 4)
    if (isBranch) {
      const start = low | (BigInt(flags) << 32n)
      yield { start, end: start + 1n, isTree: true }
    } else if (flags & F_BIGDATA) {
      const data = node + 8 + page.readUInt16LE(node + 6)
      if (data + 24 > page.length) {
        yield undefined
        return
      }
      const start = page.readBigUInt64LE(data)
      yield { start, end: start + page.readBigUInt64LE(data + 16), isTree: false }
    }
  }
}
