import type { Socket } from 'node:net'
import type { FrameReader } from '../../amqp/frames.ts'
import { soon } from '../guard.ts'

/**
 * Milliseconds that one client's frames get in a turn of the event loop: a message for a thousand queues takes longer than
 * its frames, of which one chunk of a socket holds hundreds.
 */
const TURN_MS = 10

/** Why nothing is read from a connection: `answers` that wait for the disk, its `turn` is over, or `work` on a queue. */
export type Hold = 'answers' | 'blocked' | 'busy' | 'disk' | 'output' | 'refused' | 'turn' | 'work'

/** Whether a connection is read from: it is, unless something holds it. */
export interface Flow {
  readonly isHeld: boolean
  pause(why: Hold): void
  /** Reads on, unless something else holds it. */
  resume(why: Hold): void
  /** Reads on for good, whatever holds it: the connection is ending, and what is read is dropped. */
  release(): void
  /** Called before each frame: once they have had their time, the rest comes in later turns. */
  onFrame(): void
  /** Accounts for bytes that are not on disk yet, and stops reading while they are many. */
  addInFlight(bytes: number): void
}

export interface FlowOptions {
  /** Nothing is read from the connection while it has more bytes than this on their way to the disk. */
  readonly inFlightMax: number
  /** Gets what the frames that had been kept back throw. */
  fail(error: unknown): void
}

export function createFlow(socket: Socket, reader: FrameReader, { inFlightMax, fail }: FlowOptions): Flow {
  const holds = new Set<Hold>()
  let inFlight = 0
  let isReleased = false
  /** When the frames of this turn have had their time; undefined before the first. */
  let turnEnds: number | undefined

  function endTurn(): void {
    turnEnds = undefined
    flow.resume('turn')
  }

  const flow: Flow = {
    get isHeld() {
      return holds.size > 0
    },

    pause(why) {
      if (isReleased) return
      if (holds.size === 0) {
        reader.pause()
        socket.pause()
      }
      holds.add(why)
    },

    resume(why) {
      if (!holds.delete(why) || holds.size > 0 || socket.destroyed) return
      socket.resume()
      try {
        reader.resume()
      } catch (error) {
        fail(error)
      }
    },

    release() {
      isReleased = true
      for (const why of [...holds]) flow.resume(why)
    },

    onFrame() {
      const now = performance.now()
      if (turnEnds === undefined) {
        turnEnds = now + TURN_MS
        soon(fail, endTurn)
      } else if (now >= turnEnds) flow.pause('turn')
    },

    addInFlight(bytes) {
      inFlight += bytes
      if (inFlight > inFlightMax) flow.pause('disk')
      else if (holds.has('disk') && inFlight < inFlightMax / 2) flow.resume('disk')
    },
  }
  return flow
}
