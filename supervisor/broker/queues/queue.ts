import type { Table } from '../../amqp/fields.ts'
import type { Clock } from '../clock.ts'
import type { OnFault } from '../guard.ts'
import type { Slices } from '../slices.ts'
import type { Entry, Message } from '../store/log.ts'
import type { QueueFlags, QueueOptions } from './arguments.ts'
import type { Consumer, ConsumerList } from './consumers.ts'

/** Why a message leaves its queue for the dead letter exchange, in RabbitMQ's words. */
export type DeadLetterReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit'

/** A connection, as far as exclusive queues have to tell one from the other. */
export type Owner = object

export interface QueueDefinition {
  readonly id: number
  readonly name: string
  readonly flags: QueueFlags
  readonly args: Table
  readonly options: QueueOptions
  /** The connection that an exclusive queue belongs to. */
  readonly owner: Owner | undefined
}

export interface QueueEvents {
  /** Takes care of a message that is outstanding in its queue: it calls `ack` when the message is in safety elsewhere. */
  deadLetter(queue: Queue, entry: Entry, reason: DeadLetterReason): void
  /** Takes care of a message that is outstanding and has made something throw. */
  setAside(queue: Queue, entry: Entry, reason: unknown): void
  /** It was unused for as long as `x-expires` says, or the last consumer of an auto-delete queue has gone. */
  unused(queue: Queue): void
}

export interface Queue extends QueueDefinition {
  /** Ready messages. */
  readonly messageCount: number
  readonly consumers: ConsumerList
  /** Of a queue that never had one, without a list of them. */
  readonly consumerCount: number
  /**
   * Takes a message, and delivers it if somebody waits.
   * @param expiration milliseconds that this message may stay; the queue's own limit holds too
   * @param onSafe called once, later, when the message is on disk or has left the queue before
   * @returns false if the queue is full and refuses it; `onSafe` is not called then
   */
  publish(message: Message, expiration?: number, onSafe?: () => void): boolean
  /** Takes the head. @param settled it is acknowledged with that; otherwise the caller settles it */
  get(settled: boolean): Entry | undefined
  ack(entry: Entry): void
  /** Takes a message out of the way that has made something throw. */
  setAside(entry: Entry, reason: unknown): void
  /**
   * Hands nothing out until the function that it returns is called, which delivers: messages that are about to come back
   * must not be overtaken by what is behind them.
   */
  holdBack(): () => void
  /** The steps that put messages back, while it is held back. @param hasFailed it counts as a failed delivery of each */
  requeue(entries: readonly Entry[], hasFailed: boolean): Generator<void>
  /** Sends it on to the dead letter exchange. @param hasFailed its dead letter has a failed delivery behind it */
  reject(entry: Entry, hasFailed: boolean): void
  /** A dead letter has to wait for its exchange: meanwhile it counts towards the limits of the queue. */
  retain(entry: Entry): void
  /** It waits no more. */
  letGo(entry: Entry): void
  addConsumer(consumer: Consumer): void
  removeConsumer(consumer: Consumer): void
  /**
   * Sends on what has expired and is in the way, as far as there is time for it.
   * @returns undefined if nothing is in the way any more, nor coming back; otherwise it resolves then
   */
  expire(): Promise<void> | undefined
  /** Delivers what can be delivered; called when a consumer can take messages again. */
  deliver(): void
  /** Somebody has used it, which puts its own expiry off. */
  touch(): void
  purge(): number
  /** Whether it still takes part: neither closed nor destroyed. */
  isOpen(): boolean
  /** Whether its messages are gone: destroyed. */
  isGone(): boolean
  /** Ends its timers; the messages stay. */
  close(): void
  /** Removes it with its messages, and tells its consumers. */
  destroy(): void
}

/** What all queues share. */
export interface QueueTools {
  readonly clock: Clock
  /** For what makes work for the disk. */
  readonly slices: Slices
  /** For what must go on while the disk is full. @default slices */
  readonly prompt?: Slices
  /** A timer of a queue's has thrown. */
  readonly onFault: OnFault
}
