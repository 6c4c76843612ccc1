import type { Headers } from '../../base/message.ts'

/** A message as a consumer gets it. */
export interface Delivered {
  readonly fields: {
    readonly consumerTag: string
    readonly deliveryTag: number
    readonly redelivered: boolean
    readonly exchange: string
    readonly routingKey: string
  }
  readonly properties: MessageProperties
  readonly content: Buffer
  /**
   * The property flags and the properties as they came, to pass the message on without loss; a view of what the socket has
   * read. Undefined where amqplib has read the message.
   */
  readonly raw: Buffer | undefined
  /** Names of properties and headers that could not be read; they are missing in `properties`. */
  readonly unreadable: readonly string[]
}

/** AMQP 0-9-1's properties of a message (class basic), in camel case. All values are a sender's: nothing is promised of them. */
export interface MessageProperties {
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  /** A table without a prototype, except where amqplib has read it. */
  readonly headers?: Headers | undefined
  /** 2: it survives a restart of the broker. */
  readonly deliveryMode?: number | undefined
  readonly priority?: number | undefined
  /** As bytes where they are no UTF-8: whoever asked compares them. */
  readonly correlationId?: string | Buffer | undefined
  readonly replyTo?: string | undefined
  /** Milliseconds, as digits. */
  readonly expiration?: string | undefined
  readonly messageId?: string | undefined
  /** Seconds since 1970, as the sender says. */
  readonly timestamp?: number | bigint | undefined
  readonly type?: string | undefined
  readonly userId?: string | undefined
  readonly appId?: string | undefined
  readonly clusterId?: string | undefined
}

/** What nearly all messages have that is unreadable. */
export const NONE: readonly string[] = []
