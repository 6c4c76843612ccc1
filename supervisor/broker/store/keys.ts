// The database's keys. Each kind has a first byte of its own; a log's keys are together and in the order of delivery.

export const BODY = 0x62
/** Of a definition in format 1. */
export const OLD_DEFINITION = 0x64
export const DEFINITION = 0x65
export const INDEX = 0x69
export const REDO = 0x72
const SEGMENT = 0x73

/** A commit that is being written in pieces. */
export const REDO_KEY = Buffer.of(REDO)

/** The first key of the definitions, and the first behind them. */
export const DEFINITION_RANGE = [Buffer.of(DEFINITION), Buffer.of(DEFINITION + 1)] as const
/** The same of those that format 1 has left. */
export const OLD_DEFINITION_RANGE = [Buffer.of(OLD_DEFINITION), Buffer.of(OLD_DEFINITION + 1)] as const
/** The first key of the segments' index records, and the first behind them. */
export const INDEX_RANGE = [Buffer.of(INDEX), Buffer.of(INDEX + 1)] as const

/** The first key of the shared bodies, and the first behind them. */
export const BODY_RANGE = [Buffer.of(BODY), Buffer.of(BODY + 1)] as const

/** What every segment's key says. */
export interface SegmentId {
  queueId: number
  priority: number
  /** The position of its first message. */
  first: number
}

export function bodyKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(7)
  key[0] = BODY
  key.writeUIntBE(id, 1, 6)
  return key
}

/** @param at where the key begins */
export function bodyIdAt(bytes: Buffer, at: number): number {
  return bytes.readUIntBE(at + 1, 6)
}

export function indexKey(id: SegmentId): Buffer {
  return segmentKeyOf(INDEX, id)
}

export function segmentKey(id: SegmentId): Buffer {
  return segmentKeyOf(SEGMENT, id)
}

/** @param at where the key begins */
export function segmentIdAt(bytes: Buffer, at: number): SegmentId {
  return { queueId: bytes.readUInt32BE(at + 1), priority: bytes[at + 5] as number, first: bytes.readUIntBE(at + 6, 6) }
}

/** The first index record of a queue, and the first behind them. */
export function indexRange(queueId: number): [Buffer, Buffer] {
  return [logPrefix(INDEX, queueId, 0), logPrefix(INDEX, queueId, 0xff)]
}

/** The queue id in the key of a log's record. */
export function logIdOf(key: Buffer): number | undefined {
  return key[0] === INDEX || key[0] === SEGMENT ? key.readUInt32BE(1) : undefined
}

/** The ranges that hold all of a log's records. */
export function logRanges(queueId: number): [Buffer, Buffer][] {
  return [INDEX, SEGMENT].map((kind) => [logPrefix(kind, queueId, 0), logPrefix(kind, queueId, 0xff)])
}

function segmentKeyOf(kind: number, { queueId, priority, first }: SegmentId): Buffer {
  const key = Buffer.allocUnsafe(12)
  key[0] = kind
  key.writeUInt32BE(queueId, 1)
  key[5] = priority
  key.writeUIntBE(first, 6, 6)
  return key
}

/** The smallest or, with `fill` 0xff, a key behind the largest key of a log. */
function logPrefix(kind: number, queueId: number, fill: number): Buffer {
  const key = Buffer.alloc(13, fill)
  key[0] = kind
  key.writeUInt32BE(queueId, 1)
  return fill ? key : key.subarray(0, 5)
}
