import type { z } from 'zod'
import type { FanoutDefinition, QueueDefinition } from './definitions.ts'
import type { Duration } from './durations.ts'

/** What a sender may say about one message. */
export interface SendOptions {
  /**
   * The message's id, by which handlers tell a repeated message from a new one.
   * @default a new UUIDv7
   */
  id?: string
  /**
   * How long to wait until the message arrives, up to 310 days, in steps of 100 ms: rounded up to the next. It is the
   * broker that waits: the message is on disk, and the sender may end.
   * @default 0: it arrives at once
   */
  delay?: Duration
}

export interface PublishOptions extends SendOptions {
  /**
   * Whether a fanout without any subscription is an error (`UnroutableError`).
   * @default true: a view that nobody counts is more often a mistake than meant
   */
  mandatory?: boolean
}

export interface CallOptions extends Omit<SendOptions, 'delay'> {
  /**
   * How long to wait for the reply. A request that no worker has taken by then is not handled any more: the broker
   * moves it to the queue's dead letters, with the reason `expired` in `x-death`.
   * @default '30s'
   */
  timeout?: Duration
}

/** A message that the broker has confirmed. */
export interface Sent {
  id: string
}

/** What sends: to a queue, to a fanout, or to a queue with a wait for the result. */
export interface Bus {
  /**
   * Sends to a queue; resolves when the broker has confirmed the message.
   * @throws ValidationError: the data is not what the schema says, or JSON can't carry it
   * @throws MessageTooLargeError, UnroutableError: the same message fails again
   * @throws UnavailableError and those below it: try again later
   */
  send<D extends z.ZodType, R extends z.ZodType | undefined>(
    queue: QueueDefinition<D, R>,
    data: z.input<D>,
    options?: SendOptions,
  ): Promise<Sent>

  /**
   * Publishes to a fanout, of which every subscribed worker gets its own copy; resolves when the broker has
   * confirmed the message.
   * @throws ValidationError: the data is not what the schema says, or JSON can't carry it
   * @throws MessageTooLargeError, UnroutableError: the same message fails again
   * @throws UnavailableError and those below it: try again later
   */
  publish<D extends z.ZodType>(fanout: FanoutDefinition<D>, data: z.input<D>, options?: PublishOptions): Promise<Sent>

  /**
   * Sends to a queue and resolves with the handler's result, over RabbitMQ's direct reply-to.
   * @throws ValidationError: the data or the result is not what the schema says, or JSON can't carry it
   * @throws MessageTooLargeError, UnroutableError: the same message fails again
   * @throws CallFailedError: the handler failed; `remoteName` and the message are those of its error
   * @throws UnavailableError and those below it, CallTimeoutError and CallLostError among them: try again later
   */
  call<D extends z.ZodType, R extends z.ZodType>(
    queue: QueueDefinition<D, R>,
    data: z.input<D>,
    options?: CallOptions,
  ): Promise<z.output<R>>
}
