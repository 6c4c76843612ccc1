import { encodeMethod } from '../../amqp/methods.ts'
import type { Wire } from './context.ts'
import type { Flow } from './flow.ts'

/**
 * Keeps a publisher waiting while the store takes nothing, and lets it know (RabbitMQ, "Blocked Connection
 * Notifications"); and without a word for the moments in which the disk has more to do than is held in memory.
 */
export interface Blocking {
  /** Called before each publish. */
  onPublish(): void
  /** The store takes nothing at the moment, or does so again. */
  onBlocked(reason: string | undefined): void
}

export function createBlocking(wire: Wire, flow: Flow): Blocking {
  // Who only consumes is not blocked: that is what makes room.
  let hasPublished = false
  let isNotified = false

  function block(reason: string): void {
    flow.pause('blocked')
    if (isNotified || !wire.can('connection.blocked')) return
    isNotified = true
    wire.write(encodeMethod(0, { name: 'connection.blocked', reason }))
  }

  return {
    onPublish() {
      hasPublished = true
      const reason = wire.context.blockedReason()
      if (reason !== undefined) block(reason)
      if (!wire.context.isBusy()) return
      flow.pause('busy')
      wire.context.whenCalm(() => flow.resume('busy'))
    },

    onBlocked(reason) {
      if (reason !== undefined) return void (hasPublished && block(reason))
      if (isNotified) wire.write(encodeMethod(0, { name: 'connection.unblocked' }))
      isNotified = false
      flow.resume('blocked')
    },
  }
}
