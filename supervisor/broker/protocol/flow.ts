import type { Socket } from 'node:net'
import type { FrameReader } from '../../amqp/frames.ts'
import type { FrameTurns } from './frame-turns.ts'

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
  /** Called before each chunk, and each frame: once frames have had their time, the rest comes in later turns. */
  onChunk(): void
  onFrame(): void
  /** Accounts for bytes that are not on disk yet, and stops reading while they are many. */
  addInFlight(bytes: number): void
}

export interface FlowOptions {
  /** Nothing is read from the connection while it has more bytes than this on their way to the disk. */
  readonly inFlightMax: number
  readonly turns: FrameTurns
  /** Gets what the frames that had been kept back throw. */
  fail(error: unknown): void
}

export function createFlow(socket: Socket, reader: FrameReader, { inFlightMax, turns, fail }: FlowOptions): Flow {
  const holds = new Set<Hold>()
  let inFlight = 0
  let isReleased = false
  /** When the frames that are handled now began. */
  let began: number | undefined

  function endTurn(): void {
    if (isReleased || holds.has('turn')) return
    flow.pause('turn')
    turns.wait(function next() {
      began = performance.now()
      flow.resume('turn')
    })
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
      // Many may be resumed together, each with frames that came meanwhile.
      if (why !== 'turn' && !isReleased && turns.isOver()) {
        endTurn()
        return
      }
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

    onChunk() {
      if (turns.isOver()) endTurn()
      else began = performance.now()
    },

    onFrame() {
      if (turns.isOver(began)) endTurn()
    },

    addInFlight(bytes) {
      inFlight += bytes
      if (inFlight > inFlightMax) flow.pause('disk')
      else if (holds.has('disk') && inFlight < inFlightMax / 2) flow.resume('disk')
    },
  }
  return flow
}
