import { closeSync, constants, existsSync, fdatasync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

// Which messages may have been handed out, for the redelivered flag after a kill. A consumer must not wait for a commit,
// and the mark must be on record before the message leaves: so it is overwritten in place in a small file, 16 bytes for
// each queue and priority, which takes microseconds, needs no disk space, and outlives the process at once (the
// machine's crash too from the next commit on, which syncs it). The mark is set ahead of what is handed out, by more the
// more is handed out: after a kill up to AHEAD_MAX messages are called redelivered that were not, and none is missed.
//   slot: queue id u32 | 1 if in use u8 | priority u8 | mark u48 | 0 u32

/** The file of the marks. */
export const MARKS_FILE = 'marks'
const SLOT = 16
const AHEAD_MAX = 1_024
const GROW = 1_024

/** How far one queue's messages of one priority have been handed out. */
export interface Mark {
  /** Positions below it may have been handed out before the store was opened. */
  readonly recovered: number
  /** Call it before the message at the position is handed out. */
  handOut(position: number): void
}

export interface Marks {
  /**
   * The mark of a queue's priority; made if there is none.
   * @param nextPosition where the queue's next message goes
   */
  of(queueId: number, priority: number, nextPosition: number): Mark
  /** The first position that no mark of the queue covers. */
  endOf(queueId: number): number
  readonly lastQueueId: number
  /** The queues that have a mark. */
  queueIds(): Iterable<number>
  /** Forgets a queue. */
  free(queueId: number): void
  /** Syncs what was written since the last call. */
  sync(): Promise<void>
  /** Writes exact marks and closes. */
  close(): Promise<void>
}

interface Slot {
  index: number
  queueId: number
  priority: number
  /** What is on record. */
  reserved: number
  handedOut: number
  ahead: number
}

const fdatasyncAsync = promisify(fdatasync)

/** Opens the marks of a folder; creates the file if there is none. If it is lost, all there is may have been handed out. */
export function openMarks(folder: string, isNew: boolean, onError: (error: Error) => void): Marks {
  const path = join(folder, MARKS_FILE)
  const isLost = !isNew && !existsSync(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  /** By queue: to look through all slots for one would cost their square when all queues open. */
  const slots = new Map<number, Slot[]>()
  const free: number[] = []
  let capacity = 0
  let dirty = false
  let isFailing = false
  read()

  function read() {
    const raw = Buffer.alloc(fstatSync(file).size)
    readSync(file, raw, 0, raw.length, 0)
    capacity = Math.floor(raw.length / SLOT)
    for (let index = capacity - 1; index >= 0; index--) {
      const at = index * SLOT
      if (raw[at + 4] !== 1) {
        free.push(index)
        continue
      }
      const reserved = raw.readUIntLE(at + 6, 6)
      const priority = raw[at + 5] as number
      add({ index, queueId: raw.readUInt32LE(at), priority, reserved, handedOut: reserved, ahead: 1 })
    }
  }

  function add(slot: Slot) {
    const others = slots.get(slot.queueId)
    if (others) others.push(slot)
    else slots.set(slot.queueId, [slot])
  }

  function write(slot: Slot, used: 0 | 1) {
    const raw = Buffer.alloc(SLOT)
    raw.writeUInt32LE(slot.queueId, 0)
    raw[4] = used
    raw[5] = slot.priority
    raw.writeUIntLE(slot.reserved, 6, 6)
    dirty = true
    try {
      writeSync(file, raw, 0, SLOT, slot.index * SLOT)
      isFailing = false
    } catch (error) {
      // A message that waits here would block a queue that could free the disk; a missing flag is the lesser evil.
      slot.reserved = 0
      // Once: the next try is that of the next message, and the log may be on the same disk.
      if (!isFailing) onError(error as Error)
      isFailing = true
    }
  }

  function allocate(): number {
    if (free.length === 0) {
      for (let index = capacity + GROW - 1; index >= capacity; index--) free.push(index)
      capacity += GROW
    }
    return free.pop() as number
  }

  function create(queueId: number, priority: number, reserved: number): Slot {
    const slot: Slot = { index: allocate(), queueId, priority, reserved, handedOut: reserved, ahead: 1 }
    add(slot)
    if (reserved > 0) write(slot, 1)
    return slot
  }

  function of(queueId: number, priority: number, nextPosition: number): Mark {
    const known = slots.get(queueId)?.find((slot) => slot.priority === priority)
    const slot = known ?? create(queueId, priority, isLost ? nextPosition : 0)
    return {
      recovered: slot.reserved,
      handOut(position) {
        if (position < slot.handedOut) return
        slot.handedOut = position + 1
        if (position < slot.reserved) return
        slot.reserved = position + slot.ahead
        slot.ahead = Math.min(slot.ahead * 2, AHEAD_MAX)
        write(slot, 1)
      },
    }
  }

  async function sync() {
    if (!dirty) return
    dirty = false
    try {
      await fdatasyncAsync(file)
    } catch (error) {
      dirty = true
      throw error
    }
  }

  return {
    of,
    get lastQueueId() {
      let last = 0
      for (const queueId of slots.keys()) if (queueId > last) last = queueId
      return last
    },
    queueIds: () => slots.keys(),
    endOf: (queueId) => (slots.get(queueId) ?? []).reduce((end, { reserved }) => Math.max(end, reserved), 0),
    free(queueId) {
      for (const slot of slots.get(queueId) ?? []) {
        write(slot, 0)
        free.push(slot.index)
      }
      slots.delete(queueId)
    },
    sync,
    async close() {
      for (const slot of [...slots.values()].flat()) {
        if (slot.handedOut === slot.reserved) continue
        slot.reserved = slot.handedOut
        write(slot, 1)
      }
      await sync()
      closeSync(file)
    },
  }
}
