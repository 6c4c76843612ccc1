/** What a process says of itself, to whoever started it. */
export interface ProcessState {
  /** `waiting`: it lives and waits for the broker; `ready`: it handles requests or messages. */
  status: 'starting' | 'waiting' | 'ready' | 'draining' | 'failed'
  /** Why it waits or failed, in a sentence. */
  reason?: string
  /** The error's code, for programs. */
  code?: string
}

/** The topic of state messages on pm2's bus, and of the question for one. */
export const STATE_TOPIC = 'warren:state'
