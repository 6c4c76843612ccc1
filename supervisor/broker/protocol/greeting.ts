/** What a client sends first (AMQP 0-9-1, 4.2.2). */
export const PROTOCOL_HEADER = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')

/** AMQP 0-9's, which RabbitMQ takes for the same; some clients, such as Perl's AnyEvent::RabbitMQ, still send it. */
const HEADER_09 = Buffer.from('AMQP\x01\x01\x00\x09', 'latin1')

export interface Greeting {
  /**
   * Takes the next bytes of the stream.
   * @returns what came behind the header once that is complete, undefined before, 'refused' for anything else
   */
  push(chunk: Buffer): Buffer | undefined | 'refused'
}

/** Reads the protocol header. */
export function readGreeting(): Greeting {
  let received: Buffer = Buffer.alloc(0)
  return {
    push(chunk) {
      received = Buffer.concat([received, chunk])
      const start = received.subarray(0, PROTOCOL_HEADER.length)
      const isKnown = [PROTOCOL_HEADER, HEADER_09].some((header) => header.subarray(0, start.length).equals(start))
      if (!isKnown) return 'refused'
      return received.length < PROTOCOL_HEADER.length ? undefined : received.subarray(PROTOCOL_HEADER.length)
    },
  }
}
