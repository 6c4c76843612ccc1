import { reasonOf } from '../../base/errors.ts'
import { type Bodies, createBodies } from './bodies.ts'
import type { Database } from './database.ts'
import { decodeDefinition, decodeOldDefinition } from './definition-records.ts'
import { StoreDamagedError } from './errors.ts'
import { BODY_RANGE, DEFINITION_RANGE, INDEX_RANGE, OLD_DEFINITION_RANGE, parseBodyKey, parseIndexKey } from './keys.ts'
import type { Segment } from './segment.ts'
import { decodeIndex } from './segment-index.ts'

/** What a store holds when it is opened. */
export interface Recovered {
  definitions: Map<string, unknown>
  /** The names of definitions that are still written as format 1 did. */
  outdated: string[]
  /** Segments by queue id: by priority, and each priority's in the order of their positions. */
  logs: Map<number, Segment[]>
  /** Segments with nothing in them that outlives a restart. */
  leftovers: Segment[]
  bodies: Bodies
  /** Records of bodies that nothing refers to. */
  unreferenced: number[]
}

/**
 * Reads the definitions and the segments' index records, but no messages.
 * @throws {StoreDamagedError}
 */
export function recover(database: Database, folder: string): Recovered {
  const stored = [...database.keys(...BODY_RANGE)].map(parseBodyKey)
  const bodies = createBodies(database.get, stored)
  const recovered: Recovered = {
    definitions: new Map(),
    outdated: [],
    logs: new Map(),
    leftovers: [],
    bodies,
    unreferenced: [],
  }
  try {
    for (const { key, value } of database.range(...DEFINITION_RANGE)) {
      const definition = decodeDefinition(key, value)
      recovered.definitions.set(definition.name, definition.value)
    }
    for (const { key, value } of database.range(...OLD_DEFINITION_RANGE)) {
      const definition = decodeOldDefinition(key, value)
      recovered.definitions.set(definition.name, definition.value)
      recovered.outdated.push(definition.name)
    }
    for (const { key, value } of database.range(...INDEX_RANGE)) {
      add(recovered, decodeIndex(parseIndexKey(key), value, bodies.find))
    }
  } catch (error) {
    throw new StoreDamagedError(folder, reasonOf(error), { cause: error })
  }
  recovered.unreferenced = stored.filter((id) => !bodies.isHeld(id))
  return recovered
}

function add({ logs, leftovers, bodies }: Recovered, segment: Segment) {
  if (segment.volatile || segment.live === 0) {
    leftovers.push(segment)
    return
  }
  if (segment.shared) for (const body of segment.shared) if (body) bodies.hold(body)
  const segments = logs.get(segment.queueId)
  if (segments) segments.push(segment)
  else logs.set(segment.queueId, [segment])
}
