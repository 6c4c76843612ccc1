/** What a process says of itself, to whoever started it. */
export interface ProcessState {
  /**
   * `waiting`: it lives and waits for the broker; `ready`: it handles requests or messages; `quiet`: it takes no more
   * messages, and finishes those that it has.
   */
  status: 'starting' | 'waiting' | 'ready' | 'quiet' | 'draining' | 'failed'
  /** Why it waits or failed, in a sentence. */
  reason?: string
  /** The error's code, for programs. */
  code?: string
  /** A worker's messages in progress. */
  inProgress?: number
  /** How many it has taken since its start: a quick one is over before anybody looks. */
  taken?: number
}

/** The topic of state messages on pm2's bus, and of the question for one. */
export const STATE_TOPIC = 'warren:state'

/** The topic by which a process is told to take no more messages. */
export const QUIET_TOPIC = 'warren:quiet'
