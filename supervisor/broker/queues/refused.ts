import type { Entry, Message } from '../store/log.ts'

/** The position of what is in no log. */
export const NOWHERE = -1

/**
 * A message that its queue refuses and sends on all the same: it is never ready there, so that nobody gets it. It has its
 * body to itself, which others may have let go of when it arrives.
 */
export function refused(message: Message): Entry {
  return {
    position: NOWHERE,
    message: { ...message, shared: undefined },
    expiresAt: 0,
    deliveryCount: message.failures ?? 0,
    acquiredCount: 0,
    redelivered: false,
  }
}
