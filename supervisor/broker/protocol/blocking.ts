import { encodeMethod } from '../../amqp/methods.ts'
import type { Wire } from './context.ts'
import type { Flow } from './flow.ts'

/**
 * Keeps a publisher waiting while the store takes nothing, and lets it know (RabbitMQ, "Blocked Connection
 * Notifications"); and without a word for the moments in which the disk has more to do than is held in memory.
 */
export interface Blocking {
  /** A message was handed out, which the client may publish elsewhere before it acknowledges it. */
  onHandedOut(): void
  /** Called before each publish. */
  onPublish(): void
  /** The store takes nothing at the moment, or does so again. */
  onBlocked(reason: string | undefined): void
}

/** Messages that a client may have been given before it publishes them. */
const MOVES_MAX = 2_048

export function createBlocking(wire: Wire, flow: Flow): Blocking {
  // Who only consumes is not blocked: that is what makes room.
  let hasPublished = false
  let isNotified = false
  // A worker whose first messages fail publishes them anew, to try them later, before it acknowledges them. If that had to
  // wait for space, what is behind them could never be consumed, and there would never be any.
  let moves = 0

  function block(reason: string): void {
    flow.pause('blocked')
    if (isNotified || !wire.can('connection.blocked')) return
    isNotified = true
    wire.write(encodeMethod(0, { name: 'connection.blocked', reason }))
  }

  return {
    onHandedOut() {
      moves = Math.min(moves + 1, MOVES_MAX)
    },

    onPublish() {
      hasPublished = true
      const reason = wire.context.blockedReason()
      if (reason !== undefined) {
        if (moves > 0 && !wire.context.isExhausted()) moves--
        else block(reason)
      }
      if (!wire.context.isBusy()) return
      flow.pause('busy')
      wire.context.whenCalm(() => flow.resume('busy'))
    },

    onBlocked(reason) {
      if (reason !== undefined) return void (hasPublished && moves === 0 && block(reason))
      if (isNotified) wire.write(encodeMethod(0, { name: 'connection.unblocked' }))
      isNotified = false
      flow.resume('blocked')
    },
  }
}
