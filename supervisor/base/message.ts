// What travels between the parts: messages on their way in and out, free of any broker library's types.
import type { Address } from './definitions.ts'

export type Headers = Readonly<Record<string, unknown>>

/** How often a quorum queue has had a message back (RabbitMQ, "Poison Message Handling"). */
export const DELIVERY_COUNT_HEADER = 'x-delivery-count'
/** How often a quorum queue has handed a message out, from RabbitMQ 4.3 on. */
export const ACQUIRED_COUNT_HEADER = 'x-acquired-count'

/** A header of ours on the wire. */
export const ATTEMPT_HEADER = 'x-attempt'
/** When a delayed message is due, in milliseconds since 1970. */
export const DUE_HEADER = 'x-due'
/** How often a message was sent again by hand, as by a redrive: 0 when it was sent first. */
export const LIFE_HEADER = 'x-life'
export const REQUEST_ID_HEADER = 'x-request-id'
/** On a failed call's reply: the error's name; the body is its message, as JSON. */
export const ERROR_HEADER = 'x-error'

/** A message as a bus hands it over: validated and encoded. */
export interface Envelope {
  readonly id: string
  readonly address: Pick<Address, 'kind' | 'name'>
  readonly body: Uint8Array
  readonly headers: Headers
  /** Whether it is an error when no queue takes it. */
  readonly mandatory: boolean
  /** Milliseconds until it arrives; 0: at once. */
  readonly delayMs: number
}

/** What carries a bus's messages: the broker's connection, or a thread's port to it. */
export interface Transport {
  /** Resolves when the broker has confirmed the message. */
  deliver(envelope: Envelope): Promise<void>
  /** Resolves with the reply's body. */
  request(envelope: Envelope, timeoutMs: number): Promise<Uint8Array>
}

/** A message as it came from a queue. It is settled exactly once, by `ack` or `requeue`. */
export interface Incoming {
  /** The queue that it came from. */
  readonly queue: string
  /** The queue that keeps its dead letters. */
  readonly deadLetters: string
  readonly id: string
  /** Counted from 1. */
  readonly attempt: number
  /**
   * How often the broker says that it came back (RabbitMQ's `x-delivery-count`): a lost connection counts as well as a
   * process that ended, so it makes a message suspicious, and charges it nothing.
   */
  readonly returns: number
  /** It may have been delivered before (AMQP's `redelivered`). */
  readonly redelivered: boolean
  /** It came from the queue of suspects. */
  readonly isSuspect: boolean
  /** How often it was seen to end a process in which nothing else ran. */
  readonly deaths: number
  /** Where suspects go; undefined where they can't, because the queue is a process's own. */
  readonly suspects: string | undefined
  readonly requestId: string | undefined
  readonly body: Buffer
  /** As they came, for passing them on; the names are AMQP 0-9-1's, in camel case. */
  readonly properties: { readonly headers: Headers; readonly [name: string]: unknown }
  /**
   * The property flags and properties as they came, by which a copy keeps everything that decoding would lose. Undefined where
   * the client library has read them.
   */
  readonly raw: Buffer | undefined
  /** Names of properties and headers that could not be read; they are missing in `properties`. Normally one empty array for all. */
  readonly unreadable: readonly string[]
  /** Where the caller of a call waits for the result; a correlation id that is no UTF-8 is bytes. */
  readonly reply: { readonly to: string; readonly correlationId: string | Uint8Array } | undefined
  /**
   * Aborted when the connection it came by is gone: the broker will deliver it again, whatever happens here. The delivery is
   * void from then on: it settles nothing.
   */
  readonly lost: AbortSignal
  /**
   * Asks the broker, by the channel that it came by, whether the delivery still counts. Resolves with false when the
   * connection is lost, noticed or not. To be asked before a copy of it is sent: of a delivery that is void, the copy would
   * be a second message.
   */
  held(): Promise<boolean>
  ack(): void
  requeue(): void
}
