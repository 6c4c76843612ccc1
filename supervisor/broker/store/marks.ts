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

const fdatasyncAsync = promisify(fdatasync)

/** What a queue's priority has in the file. A class with a list: there are tens of thousands of them. */
class Slot implements Mark {
  readonly index: number
  readonly queueId: number
  readonly priority: number
  /** The queue's next one. */
  readonly next: Slot | undefined
  /** What is on record. */
  reserved: number
  recovered: number
  handedOut: number
  ahead = 1
  readonly #write: (slot: Slot) => void

  constructor(
    place: { index: number; queueId: number; priority: number },
    reserved: number,
    next: Slot | undefined,
    write: (slot: Slot) => void,
  ) {
    this.index = place.index
    this.queueId = place.queueId
    this.priority = place.priority
    this.next = next
    this.reserved = reserved
    this.recovered = reserved
    this.handedOut = reserved
    this.#write = write
  }

  handOut(position: number): void {
    if (position < this.handedOut) return
    this.handedOut = position + 1
    if (position < this.reserved) return
    this.reserved = position + this.ahead
    this.ahead = Math.min(this.ahead * 2, AHEAD_MAX)
    this.#write(this)
  }
}

/** Opens the marks of a folder; creates the file if there is none. If it is lost, all there is may have been handed out. */
export function openMarks(folder: string, isNew: boolean, onError: (error: Error) => void): Marks {
  const path = join(folder, MARKS_FILE)
  const isLost = !isNew && !existsSync(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  /** By queue: to look through all slots for one would cost their square when all queues open. */
  const slots = new Map<number, Slot>()
  const scratch = Buffer.alloc(SLOT)
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
      if (raw[at + 4] !== 1) free.push(index)
      else add(index, raw.readUInt32LE(at), raw[at + 5] as number, raw.readUIntLE(at + 6, 6))
    }
  }

  function add(index: number, queueId: number, priority: number, reserved: number): Slot {
    const slot = new Slot({ index, queueId, priority }, reserved, slots.get(queueId), writeUsed)
    slots.set(queueId, slot)
    return slot
  }

  function writeUsed(slot: Slot) {
    write(slot, 1)
  }

  function write(slot: Slot, used: 0 | 1) {
    scratch.writeUInt32LE(slot.queueId, 0)
    scratch[4] = used
    scratch[5] = slot.priority
    scratch.writeUIntLE(slot.reserved, 6, 6)
    dirty = true
    try {
      writeSync(file, scratch, 0, SLOT, slot.index * SLOT)
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

  function* slotsOf(queueId: number): Generator<Slot> {
    for (let slot = slots.get(queueId); slot; slot = slot.next) yield slot
  }

  function create(queueId: number, priority: number, reserved: number): Slot {
    const slot = add(allocate(), queueId, priority, reserved)
    if (reserved > 0) write(slot, 1)
    return slot
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
    of(queueId, priority, nextPosition) {
      for (const slot of slotsOf(queueId)) {
        if (slot.priority !== priority) continue
        slot.recovered = slot.reserved
        return slot
      }
      return create(queueId, priority, isLost ? nextPosition : 0)
    },
    get lastQueueId() {
      let last = 0
      for (const queueId of slots.keys()) if (queueId > last) last = queueId
      return last
    },
    queueIds: () => slots.keys(),
    endOf(queueId) {
      let end = 0
      for (let slot = slots.get(queueId); slot; slot = slot.next) end = Math.max(end, slot.reserved)
      return end
    },
    free(queueId) {
      for (const slot of slotsOf(queueId)) {
        write(slot, 0)
        free.push(slot.index)
      }
      slots.delete(queueId)
    },
    sync,
    async close() {
      for (const queueId of slots.keys()) {
        for (const slot of slotsOf(queueId)) {
          if (slot.handedOut === slot.reserved) continue
          slot.reserved = slot.handedOut
          write(slot, 1)
        }
      }
      await sync()
      closeSync(file)
    },
  }
}
