import { decodeHeaders, editHeaders } from '../../amqp/properties.ts'

/** A message's properties as its receivers may see them (RabbitMQ, "Sender-selected Distribution"). */
export function withoutBcc(properties: Buffer): Buffer {
  // Bytes that only look like the header cost a search for it, and nothing else.
  if (!properties.includes('BCC') || decodeHeaders(properties)?.BCC === undefined) return properties
  return editHeaders(properties, { BCC: undefined })
}
