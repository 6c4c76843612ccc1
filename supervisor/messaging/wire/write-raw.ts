import { encodeBodyStart, encodeHeader } from '../../amqp/frames.ts'
import { encodeMethod } from '../../amqp/methods.ts'
import { FRAME_END, FRAME_HEAD, FRAME_OVERHEAD, HEADER_FIXED } from './constants.ts'
import { type Publication, roomFor, writePublish } from './write-publish.ts'

/** Octets that properties in the form of the wire may have, so that their content header is one frame. */
export function mostProperties(frameMax: number): number {
  return frameMax - FRAME_OVERHEAD - HEADER_FIXED
}

/**
 * The frames of a message whose properties are there in the form of the wire, in pieces of whole frames.
 * @throws RangeError for names of over 255 octets, and for properties larger than a frame
 */
export function writeRaw(
  { exchange, routingKey, properties }: Publication,
  raw: Buffer,
  { channel, body, frameMax }: { channel: number; body: Buffer; frameMax: number },
): Buffer[] {
  const most = mostProperties(frameMax)
  if (raw.length > most)
    throw new RangeError(`the properties have ${raw.length} octets, ${most} at most fit into a frame`)
  const mandatory = properties.mandatory === true
  const method = encodeMethod(channel, { name: 'basic.publish', exchange, routingKey, mandatory })
  const pieces = [Buffer.concat([method, encodeHeader(channel, body.length, raw)])]
  const largest = frameMax - FRAME_OVERHEAD
  for (let at = 0; at < body.length; at += largest) {
    const part = body.subarray(at, at + largest)
    pieces.push(Buffer.concat([encodeBodyStart(channel, part.length), part, END]))
  }
  return pieces
}

/** A publication's properties in the form of the wire; undefined where there are some that only amqplib writes. */
export function rawOf(publication: Publication): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(roomFor(publication))
  const end = writePublish(bytes, 0, 0, publication, 0)
  if (end === 0) return undefined
  const header = FRAME_OVERHEAD + bytes.readUInt32BE(3)
  return bytes.subarray(header + FRAME_HEAD + HEADER_FIXED, end - 1)
}

const END = Buffer.from([FRAME_END])
