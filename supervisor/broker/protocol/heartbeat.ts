import type { Socket } from 'node:net'
import { HEARTBEAT } from '../../amqp/frames.ts'
import { every, type OnFault } from '../guard.ts'
import type { Output } from './output.ts'

export interface Heart {
  onReceived(): void
  stop(): void
}

/**
 * Sends a heartbeat where nothing else went out for half of the interval, and ends a connection that was silent for two
 * intervals (AMQP 0-9-1, 4.2.7).
 * @param seconds the interval; 0 for none
 * @param isHeld whether nothing is read at the moment, so that silence says nothing
 */
export function startHeart(
  socket: Socket,
  seconds: number,
  output: Output,
  isHeld: () => boolean,
  onFault: OnFault,
): Heart {
  if (seconds === 0) return { onReceived() {}, stop() {} }
  let silentHalves = 0
  const timer = every(seconds * 500, onFault, beat)

  function beat(): void {
    silentHalves = isHeld() ? 0 : silentHalves + 1
    if (silentHalves > 4) return void socket.destroy(new Error(`no heartbeat for ${2 * seconds} s`))
    if (!output.wasUsed()) output.write(HEARTBEAT)
  }

  return {
    onReceived() {
      silentHalves = 0
    },
    stop: () => clearInterval(timer),
  }
}
