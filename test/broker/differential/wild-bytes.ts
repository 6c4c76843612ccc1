/**
 * Stands in a program's text for two bytes that are not UTF-8: amqplib's codec would write and read them as something else.
 */
export const WILD = '\u007f\u007f'

const STAND_INS = Buffer.from(WILD)
const BYTES = Buffer.from([0xff, 0xfe])

/** Frames as they go out, with the bytes in them that the text stands for. */
export function toWild(frames: Buffer): Buffer {
  return replaced(frames, STAND_INS, BYTES)
}

/** A payload that came in, with the text in it that stands for the bytes. */
export function fromWild(payload: Buffer): Buffer {
  return replaced(payload, BYTES, STAND_INS)
}

function replaced(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  let at = bytes.indexOf(from)
  if (at < 0) return bytes
  const copy = Buffer.from(bytes)
  for (; at >= 0; at = bytes.indexOf(from, at + from.length)) to.copy(copy, at)
  return copy
}
