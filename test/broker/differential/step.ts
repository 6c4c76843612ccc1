/** Which channel a step uses: 0 and 1 share a connection, 2 has one to itself, which alone is ever cut. */
export type ChannelIndex = 0 | 1 | 2

export type Args = Record<string, unknown>

/** One step of a program. Names are those of the universe below; a side makes them unique. */
export type Step = { on: ChannelIndex } & (
  | { op: 'queue'; queue: string; durable: boolean; exclusive: boolean; autoDelete: boolean; args: Args }
  | {
      op: 'exchange'
      exchange: string
      type: string
      durable: boolean
      autoDelete: boolean
      internal: boolean
      args: Args
    }
  | { op: 'bind' | 'unbind'; queue: string; exchange: string; key: string; args: Args }
  | { op: 'bindExchange' | 'unbindExchange'; source: string; destination: string; key: string }
  | { op: 'deleteQueue'; queue: string; ifUnused: boolean; ifEmpty: boolean }
  | { op: 'deleteExchange'; exchange: string; ifUnused: boolean }
  | { op: 'purge' | 'check'; queue: string }
  /** @param size of its body, where that is not just what tells it from the others */
  | { op: 'publish'; exchange: string; key: string; mandatory: boolean; properties: Args; size?: number | undefined }
  | { op: 'get'; queue: string; noAck: boolean }
  | { op: 'qos'; count: number }
  | { op: 'consume'; queue: string; tag: string; noAck: boolean; exclusive: boolean; args: Args }
  | { op: 'cancel'; tag: string }
  | { op: 'settle'; how: 'ack' | 'nack' | 'reject'; pick: number; multiple: boolean; requeue: boolean }
  | { op: 'recover' | 'confirm' | 'closeChannel' | 'badAck' }
  | { op: 'cut' }
  | { op: 'expire' }
)

export type Program = readonly Step[]

/** Everything that a program may name. */
export const QUEUES = ['q0', 'q1', 'q2']
export const EXCHANGES = ['e0', 'e1', 'e2']

/**
 * Milliseconds of a TTL whose end a program waits for with the step `expire`. The other TTLs are 0 and 1, over before the
 * next step, and one that never ends: so what happens does not depend on how fast a broker is.
 */
export const SOON = 400
