import { crc32 } from 'node:zlib'
import { nextTurn } from '../guard.ts'
import type { Database, Operation } from './database.ts'
import { isDiskFull } from './disk.ts'
import { REDO_KEY } from './keys.ts'
import { SegmentFormatError } from './segment.ts'

// The database takes one transaction's operations in one turn of the event loop, a few microseconds for each. A commit of
// very many (one message to 20,000 queues) goes in pieces instead, and is still all or nothing: first all of it is
// committed as one record, and a start that finds the record writes the pieces again.
//   crc32 u32 of all behind it | count u32 | operations: key length u16 | value length + 1 u32, or 0 to remove | key | value

/** Operations that one turn of the event loop hands to the database. */
export const PIECE = 2_000
const HEADER = 8
const OPERATION_HEADER = 6

export interface Writer {
  /** Writes all of it, or, as far as a later start can see, nothing. A failed write is tried again with all that it had. */
  write(operations: readonly Operation[]): Promise<void>
  /** What an earlier process has recorded is still to be written: the next write does that first. */
  isBehind(): boolean
}

/** What an earlier process has recorded, and a start had no space for. */
export interface Unwritten {
  readonly operations: readonly Operation[]
  onWritten(): void
}

export function createWriter(database: Database, unwritten?: Unwritten): Writer {
  let mayHaveRecord = false
  let behind = unwritten

  async function write(operations: readonly Operation[]): Promise<void> {
    if (behind) {
      await writeRecorded(database, behind.operations)
      behind.onWritten()
      behind = undefined
    }
    if (operations.length === 0) return
    const isLong = operations.length > PIECE
    const last: Operation[] = isLong || mayHaveRecord ? [{ key: REDO_KEY, value: undefined }] : []
    if (isLong) {
      mayHaveRecord = true
      await database.write([{ key: REDO_KEY, value: await encodeRedo(operations) }])
    }
    let start = 0
    for (; operations.length - start > PIECE; start += PIECE) {
      await database.write(operations.slice(start, start + PIECE))
    }
    await database.write([...operations.slice(start), ...last])
    mayHaveRecord = false
  }

  return { write, isBehind: () => behind !== undefined }
}

/**
 * Finishes what a process was writing when it ended.
 * @returns what there is no space for on the disk; undefined if all is written
 * @throws {SegmentFormatError}
 */
export async function redo(database: Database): Promise<Operation[] | undefined> {
  const raw = database.get(REDO_KEY)
  if (!raw) return undefined
  const operations = decodeRedo(raw)
  try {
    await writeRecorded(database, operations)
    return undefined
  } catch (error) {
    if (!isDiskFull(error)) throw error
    await database.reopen()
    return operations
  }
}

async function writeRecorded(database: Database, operations: readonly Operation[]): Promise<void> {
  for (let start = 0; start < operations.length; start += PIECE) {
    await database.write(operations.slice(start, start + PIECE))
  }
  await database.write([{ key: REDO_KEY, value: undefined }])
}

async function encodeRedo(operations: readonly Operation[]): Promise<Buffer> {
  let size = HEADER
  for (const { key, value } of operations) size += OPERATION_HEADER + key.length + (value?.length ?? 0)
  const raw = Buffer.allocUnsafeSlow(size)
  let offset = raw.writeUInt32LE(operations.length, 4)
  let sum = crc32(raw.subarray(4, offset))
  for (let start = 0; start < operations.length; start += PIECE) {
    const from = offset
    for (const { key, value } of operations.slice(start, start + PIECE)) {
      offset = raw.writeUInt16LE(key.length, offset)
      offset = raw.writeUInt32LE(value ? value.length + 1 : 0, offset)
      raw.set(key, offset)
      offset += key.length
      if (value) raw.set(value, offset)
      offset += value?.length ?? 0
    }
    sum = crc32(raw.subarray(from, offset), sum)
    await nextTurn()
  }
  raw.writeUInt32LE(sum, 0)
  return raw
}

function decodeRedo(raw: Buffer): Operation[] {
  if (raw.length < HEADER || raw.readUInt32LE(0) !== crc32(raw.subarray(4))) {
    throw new SegmentFormatError('the checksum of its unfinished commit is wrong')
  }
  const operations: Operation[] = []
  let offset = HEADER
  for (let count = raw.readUInt32LE(4); count > 0; count--) {
    const keyStart = offset + OPERATION_HEADER
    const valueStart = keyStart + raw.readUInt16LE(offset)
    const valueLength = raw.readUInt32LE(offset + 2)
    offset = valueStart + Math.max(0, valueLength - 1)
    const value = valueLength > 0 ? raw.subarray(valueStart, offset) : undefined
    operations.push({ key: raw.subarray(keyStart, valueStart), value })
  }
  return operations
}
