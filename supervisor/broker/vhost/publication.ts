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

/** A message that is routed, and still to be given to its queues. */
export interface Routed {
  /** How many queues the message is for. */
  readonly reached: number
  /** The steps that give it to them, many with each; at the end, false if one of them has refused it. */
  readonly steps: Generator<void, boolean>
}
