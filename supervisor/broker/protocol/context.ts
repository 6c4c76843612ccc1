import type { Slices } from '../slices.ts'
import type { Message } from '../store/log.ts'
import type { Vhost } from '../vhost/vhost.ts'
import type { FrameTurns } from './frame-turns.ts'
import type { Answer } from './outbox.ts'
import type { TransactionMemory } from './transaction.ts'
import type { Unfinished } from './unfinished.ts'

/** What all connections share. */
export interface BrokerContext {
  readonly vhost: Vhost
  /** For what makes work for the disk, and for what must go on while the disk is full. */
  readonly slices: Slices
  readonly prompt: Slices
  readonly turns: FrameTurns
  /** Has all that is done until the function that it returns is called on disk at once, or not at all. */
  together(): () => void
  /** Resolves once everything done so far is on disk. */
  synced(): Promise<void>
  /** Why nothing can be stored at the moment. */
  blockedReason(): string | undefined
  /** Not even what somebody moves, who publishes a message that he was given and acknowledges it then. */
  isExhausted(): boolean
  /** So much waits for the disk, of all connections together, that nobody should publish more. */
  isBusy(): boolean
  /** Runs the action once it is not busy; never synchronously. */
  whenCalm(action: () => void): void
  authenticate(user: string, password: string): boolean
  /** Where replies go, by the last part of `amq.rabbitmq.reply-to.TOKEN`. */
  readonly replies: Map<string, ReplyDoor>
  readonly transactions: TransactionMemory
  /** What waits for clients to read it, of all connections. */
  readonly unread: { bytes: number }
  readonly unfinished: Unfinished
  readonly limits: Limits
  readonly log: BrokerLog
}

export interface Limits {
  readonly channelMax: number
  /** Bytes of a frame, its head and its end included. */
  readonly frameMax: number
  /** Bytes of a message's body. RabbitMQ 4's default is 16 MiB. */
  readonly messageMax: number
  /** Seconds. */
  readonly heartbeat: number
  /** Of clients that have logged in. */
  readonly connections: number
  /** Of clients that are to log in at the port; at Warren's own socket there may be as many as connections. */
  readonly handshakes: number
  readonly queues: number
  /** Of a channel. */
  readonly consumers: number
  /** Milliseconds until a client must have logged in. */
  readonly handshakeTimeout: number
  /** Milliseconds that a client may read nothing for while others wait for it to read. */
  readonly stallTimeout: number
  /** Bytes of a connection's messages that are on their way to the disk. */
  readonly inFlightMax: number
  /** Bytes of messages in memory, and of what waits for clients to read it, from which on publishers are blocked. */
  readonly memoryMax: number
  /** Bytes that wait for clients to read them, of all connections, above which each gets less. */
  readonly unreadMax: number
  /** Bytes of messages that have come in part, of all connections. */
  readonly unfinishedMax: number
}

/** Where replies go that are stored nowhere. */
export interface ReplyDoor {
  deliver(message: Message): void
  /** Whether its client has left so much unread that whoever replies has to wait. */
  isStuffed(): boolean
  /** Runs the action, once, when that is over, or the client is gone. */
  whenRoom(action: () => void): void
}

export interface BrokerLog {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** What a channel needs of its connection. */
export interface Wire {
  readonly context: BrokerContext
  /** The connection, as the owner of exclusive queues. */
  readonly owner: object
  readonly user: string
  /** Of the largest frame that the client takes. */
  readonly frameMax: number
  /** What the client says it understands. */
  can(capability: string): boolean
  write(frame: Buffer): void
  /** A message was handed out that the client has to settle. */
  onHandedOut(): void
  beforeFlush(action: () => void): void
  isFull(): boolean
  isStuffed(): boolean
  whenRoom(action: () => void): void
  /** Handles nothing more of this connection until the promise is settled. */
  hold(until: Promise<unknown>): void
  /**
   * Takes steps, each of which takes microseconds: at once, as far as this turn of the event loop has time for it, and the
   * rest in slices. All of this connection's are taken in order.
   * @returns what they return; a promise of it where they are not done at once: the connection has to be held then
   * @throws what they throw at once
   */
  work<T>(steps: Iterator<unknown, T>): T | Promise<T>
  /** Keeps the place of an answer on a channel that has to wait: what is written there later comes behind it. */
  reserve(channel: number): Answer
  /** Called at each publish: accounts for bytes that are not on disk yet, and stops reading when they become many. */
  addInFlight(bytes: number): void
  /** Accounts for what is held of messages that are not whole yet; may end a connection, and this one. */
  addUnfinished(bytes: number): void
  /** Ends the connection for a fault that belongs to it alone. */
  fail(error: unknown): void
}
