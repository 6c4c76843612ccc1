import { encodeHeader, FRAME_BODY, FRAME_END, FRAME_OVERHEAD } from '../../amqp/frames.ts'

/**
 * The frames of a message: its method, its header, and its body in as many parts as the frame limit asks for. An empty
 * body has no frame of its own.
 * @param frameMax bytes of the largest frame; 0 for no limit
 */
export function encodeContent(
  channel: number,
  method: Buffer,
  properties: Buffer,
  body: Buffer,
  frameMax: number,
): Buffer {
  const header = encodeHeader(channel, body.length, properties)
  const room = frameMax > 0 ? frameMax - FRAME_OVERHEAD : body.length || 1
  const frames = Math.ceil(body.length / room)
  const content = Buffer.allocUnsafe(method.length + header.length + body.length + frames * FRAME_OVERHEAD)
  method.copy(content, 0)
  header.copy(content, method.length)
  let at = method.length + header.length
  for (let start = 0; start < body.length; start += room) {
    const size = Math.min(room, body.length - start)
    content[at] = FRAME_BODY
    content.writeUInt16BE(channel, at + 1)
    content.writeUInt32BE(size, at + 3)
    body.copy(content, at + 7, start, start + size)
    content[at + 7 + size] = FRAME_END
    at += size + FRAME_OVERHEAD
  }
  return content
}
