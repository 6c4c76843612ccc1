import type { Socket } from 'node:net'
import type { FrameReader } from '../../amqp/frames.ts'

/** Why nothing is read from a connection: `answers` that wait for the disk, or `work` on a queue. */
export type Hold = 'answers' | 'blocked' | 'busy' | 'disk' | 'output' | 'refused' | 'work'

/** Whether a connection is read from: it is, unless something holds it. */
export interface Flow {
  readonly isHeld: boolean
  pause(why: Hold): void
  /** Reads on, unless something else holds it. */
  resume(why: Hold): void
  /** Reads on for good, whatever holds it: the connection is ending, and what is read is dropped. */
  release(): void
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

    addInFlight(bytes) {
      inFlight += bytes
      if (inFlight > inFlightMax) flow.pause('disk')
      else if (holds.has('disk') && inFlight < inFlightMax / 2) flow.resume('disk')
    },
  }
  return flow
}
