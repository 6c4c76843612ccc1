// The headers in which Warren notes why a message failed: the execution writes them, the dead letters' commands read them.

export const DEAD_REASON = 'x-dead-reason'
export const DEAD_ERROR = 'x-dead-error'
export const DEAD_MESSAGE = 'x-dead-message'
export const DEAD_STACK = 'x-dead-stack'
export const DEAD_ATTEMPTS = 'x-dead-attempts'
/** What could not be kept of the message's properties and headers. */
export const DEAD_UNREADABLE = 'x-dead-unreadable'
export const DEAD_WORKER = 'x-dead-worker'
export const DEAD_HOST = 'x-dead-host'
/** How often a message was seen to end a process in which nothing else ran. */
export const DEAD_KILLS = 'x-dead-kills'
/** It comes along with every further attempt, and into the dead letter. */
export const FIRST_FAILED_AT = 'x-dead-first-failed-at'
export const LAST_FAILED_AT = 'x-dead-last-failed-at'

/** All of them, by exact name: a sender's own `x-dead-line` is not one. */
export const DEATH_NOTES: ReadonlySet<string> = new Set([
  DEAD_REASON,
  DEAD_ERROR,
  DEAD_MESSAGE,
  DEAD_STACK,
  DEAD_ATTEMPTS,
  DEAD_UNREADABLE,
  DEAD_WORKER,
  DEAD_HOST,
  DEAD_KILLS,
  FIRST_FAILED_AT,
  LAST_FAILED_AT,
])
