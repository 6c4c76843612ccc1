import type { Segment } from './segment.ts'

/** A body that several messages have. */
export interface SharedBody {
  readonly id: number
  /** Of its bytes; -1 while only an index record tells of it. */
  length: number
  crc: number
  refs: number
  /** A commit has its record, or takes it up. */
  isStored: boolean
  /** The bytes, as long as somebody has them. */
  recent: WeakRef<Buffer> | undefined
}

/** A message as a queue keeps it. */
export interface Message {
  exchange: string
  routingKey: string
  /** The content header's property flags and list, as they came. */
  properties: Buffer
  /** May be read from the disk each time: ask once, and not for its length. */
  body: Buffer
  /** Its body is stored and held once for several queues. */
  shared?: SharedBody | undefined
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
  /** Read from the disk if it is handed out and was written: not to be asked for without need. */
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

/** Reads again what an entry has let go of. */
export interface EntrySource {
  reload(entry: StoredEntry): Message
}

interface Place {
  position: number
  message: Message
  expiresAt: number
  deliveryCount: number
  acquiredCount: number
  redelivered: boolean
}

/** An estimate of what an entry costs beside its bytes. */
export const ENTRY_BYTES = 400

/** An entry with what only the store knows of it. A class, as there can be many, and most of what they do is the same. */
export class StoredEntry implements Entry {
  readonly source: EntrySource
  readonly position: number
  readonly expiresAt: number
  readonly priority: number
  readonly persistent: boolean
  readonly bodyBytes: number
  readonly shared: SharedBody | undefined
  /** About what it costs in memory with its message, without a body that it shares. */
  readonly size: number
  deliveryCount: number
  acquiredCount: number
  redelivered: boolean
  /** Null: on disk alone. */
  held: Message | null
  /** The bytes that the store counts for it at the moment. */
  counted = 0
  state: typeof READY | typeof OUTSTANDING | typeof REMOVED | typeof PAGED = READY
  /** Where it is written; null until a commit has taken it up. */
  segment: Segment | null = null
  /** Its number within the segment. */
  index = 0
  onSafe: (() => void) | null = null
  /** How many had been given back to the log when it was. */
  returned = 0
  /** Waits behind the window, for the next commit to write it and drop it from memory. */
  inTail = false

  constructor(source: EntrySource, place: Place) {
    const { message } = place
    this.source = source
    this.position = place.position
    this.expiresAt = place.expiresAt
    this.priority = message.priority
    this.persistent = message.persistent
    this.shared = message.shared
    this.bodyBytes = message.shared ? message.shared.length : message.body.length
    this.size = ENTRY_BYTES + message.properties.length + (message.shared ? 0 : this.bodyBytes)
    this.deliveryCount = place.deliveryCount
    this.acquiredCount = place.acquiredCount
    this.redelivered = place.redelivered
    this.held = message
  }

  get message(): Message {
    return this.held ?? this.source.reload(this)
  }
}
