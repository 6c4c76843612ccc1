import type { Segment } from './segment.ts'

/** A message as a queue keeps it. */
export interface Message {
  exchange: string
  routingKey: string
  /** The content header's property flags and list, as they came. */
  properties: Buffer
  body: Buffer
  /** Delivery mode 2: kept through a restart if the queue is durable. */
  persistent: boolean
  /** Which of its queue's lanes it is in, 0 to 255. On its way to queues it is what it asks for instead. */
  priority: number
  /** A queue has dead-lettered it before: the deaths in its headers are the broker's own. */
  dead?: boolean
  /** Failed deliveries in the queues that it died in: its entry's delivery count starts there (RabbitMQ 4.3). */
  failures?: number
  /** Its CC and BCC headers have led it before, and lead it nowhere any more. */
  onlyKey?: boolean
}

/** A message's place in one queue's log. */
export interface Entry {
  /** Grows with every append to the log, through restarts too. */
  readonly position: number
  readonly message: Message
  /** Milliseconds since the epoch; 0 is never. */
  readonly expiresAt: number
  /** Failed deliveries. Whoever gives an entry back may change both counts first: giveBack() keeps them. */
  deliveryCount: number
  /** How often it was handed out and came back, whatever the reason. */
  acquiredCount: number
  /** Whether the message may have been handed out before. */
  redelivered: boolean
}

// What became of an entry: it waits, is handed out, is gone, or left memory and comes back as another object.
export const READY = 0
export const OUTSTANDING = 1
export const REMOVED = 2
export const PAGED = 3

/** An entry with what only the store knows of it. */
export interface StoredEntry extends Entry {
  state: typeof READY | typeof OUTSTANDING | typeof REMOVED | typeof PAGED
  /** Where it is written; null until a commit has taken it up. */
  segment: Segment | null
  /** Its number within the segment. */
  index: number
  onSafe: (() => void) | null
  /** How many had been given back to the log when it was. */
  returned: number
  /** Waits behind the window, for the next commit to write it and drop it from memory. */
  inTail: boolean
}
