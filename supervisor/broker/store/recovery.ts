import { reasonOf } from '../../base/errors.ts'
import { type Bodies, createBodies } from './bodies.ts'
import type { Database } from './database.ts'
import { type Definition, readOldDefinition, textOf, textOfRecord } from './definition-records.ts'
import { StoreDamagedError } from './errors.ts'
import { earlier } from './expires.ts'
import {
  BODY,
  bodyIdAt,
  DEFINITION,
  INDEX,
  indexRange,
  OLD_DEFINITION,
  REDO,
  type SegmentId,
  segmentIdAt,
} from './keys.ts'
import type { OnRecord } from './records.ts'
import type { Segment } from './segment.ts'
import { decodeIndex, glanceAtIndex } from './segment-index.ts'
import { Texts } from './texts.ts'

/** What a store holds when it is opened: of most queues, no more than that they have something. */
export interface Recovered {
  /** The JSON texts of definitions: what they are made of takes several times as much, of which little is kept. */
  definitions: Texts
  /** Those of them that are still written as format 1 did. */
  outdated: Definition[]
  /** The queues that have messages which outlive a restart. */
  queueIds: Set<number>
  /** Those where the first message of a priority may expire, at the earliest at that moment. */
  expiries: Map<number, number>
  /** Segments with nothing in them that outlives a restart. */
  leftovers: SegmentId[]
  bodies: Bodies
  /** Records of bodies that nothing refers to. */
  unreferenced: number[]
}

/** Makes something of the records that a start reads. */
export interface Recovery {
  /** @throws {StoreDamagedError} */
  readonly add: OnRecord
  /** An earlier process has not finished its last commit: what came may be less than what the store holds. */
  readonly isUnfinished: boolean
  /** @param load reads a record */
  finish(load: (key: Buffer) => Buffer | undefined): Recovered
}

/** An index record that lists shared bodies. */
interface Sharing {
  id: SegmentId
  raw: Buffer
}

/** @param folder of the store */
export function startRecovery(folder: string): Recovery {
  const definitions = new Texts()
  const outdated: Definition[] = []
  const queueIds = new Set<number>()
  const expiries = new Map<number, number>()
  const leftovers: SegmentId[] = []
  const stored: number[] = []
  const sharing: Sharing[] = []
  let isUnfinished = false
  /** The lane whose first segment was the last that came. */
  let [queueId, priority] = [-1, -1]

  function addSegment(bytes: Buffer, start: number, keyEnd: number, end: number) {
    const { isOver, isSharing, expiresFrom } = glanceAtIndex(bytes, start, keyEnd, end)
    const id = segmentIdAt(bytes, start)
    if (isOver) return void leftovers.push(id)
    if (isSharing) sharing.push({ id, raw: Buffer.from(bytes.subarray(keyEnd, end)) })
    if (id.queueId === queueId && id.priority === priority) return
    if (id.queueId !== queueId) queueIds.add(id.queueId)
    queueId = id.queueId
    priority = id.priority
    if (expiresFrom > 0) expiries.set(queueId, earlier(expiries.get(queueId) ?? 0, expiresFrom))
  }

  function add(bytes: Buffer, start: number, keyEnd: number, end: number) {
    const kind = bytes[start]
    if (kind === REDO) isUnfinished = true
    else if (kind === BODY) stored.push(bodyIdAt(bytes, start))
    else if (kind === INDEX) addSegment(bytes, start, keyEnd, end)
    else if (kind === DEFINITION) definitions.add(bytes, textOfRecord(bytes, start, keyEnd, end), end)
    else if (kind === OLD_DEFINITION) {
      const definition = readOldDefinition(bytes, start, keyEnd, end)
      const text = Buffer.from(textOf(...definition))
      definitions.add(text, 0, text.length)
      outdated.push(definition)
    }
  }

  return {
    add(bytes, start, keyEnd, end) {
      try {
        add(bytes, start, keyEnd, end)
      } catch (error) {
        throw new StoreDamagedError(folder, reasonOf(error), { cause: error })
      }
    },

    get isUnfinished() {
      return isUnfinished
    },

    finish(load) {
      const bodies = createBodies(load, stored)
      for (const { id, raw } of sharing) {
        for (const body of decodeIndex(id, raw, bodies.find).shared ?? []) if (body) bodies.hold(body)
      }
      const unreferenced = stored.filter((id) => !bodies.isHeld(id))
      return { definitions, outdated, queueIds, expiries, leftovers, bodies, unreferenced }
    },
  }
}

/**
 * The segments that a start found of a queue: by priority, and each priority's in order. Before anything of it changes.
 * @throws {SegmentFormatError}
 */
export function segmentsOf(queueId: number, database: Database, bodies: Bodies): Segment[] {
  const segments: Segment[] = []
  for (const { key, value } of database.range(...indexRange(queueId))) {
    const segment = decodeIndex(segmentIdAt(key, 0), value, bodies.find)
    if (!segment.volatile && segment.live > 0) segments.push(segment)
  }
  return segments
}
