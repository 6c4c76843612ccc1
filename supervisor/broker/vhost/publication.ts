import type { Table } from '../../amqp/fields.ts'
import type { Message } from '../store/log.ts'

/** A message on its way to queues. */
export interface Publication {
  readonly message: Message
  /** Its own routing key, then those of its CC and BCC headers. */
  readonly routingKeys: readonly string[]
  readonly headers: () => Table | undefined
  /** Milliseconds. */
  readonly expiration?: number | undefined
  /** Leaves queues out. */
  readonly isAllowed?: (queue: string) => boolean
  /** Called for each queue that takes it. */
  readonly onTaken?: ((queue: string) => void) | undefined
}

export interface Published {
  /** How many queues the message was for. */
  readonly reached: number
  /** False if one of them refused it. */
  readonly accepted: boolean
}
