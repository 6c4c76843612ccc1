const FIRST_BYTES = 4_096

/** Puts together a body that comes in parts. Memory grows with what has come: a header alone announces any size. */
export interface Body {
  readonly bytes: Buffer
  /** How much of it has come. */
  received: number
}

/** Adds a part. @param size of the whole body */
export function addPart(body: Body | undefined, part: Buffer, size: number): Body {
  const received = (body?.received ?? 0) + part.length
  const bytes = withRoom(body?.bytes, body?.received ?? 0, received, size)
  part.copy(bytes, received - part.length)
  return { bytes, received }
}

// Doubles, so that copying stays linear; at the end it is as large as the body.
function withRoom(bytes: Buffer | undefined, used: number, needed: number, size: number): Buffer {
  if (bytes && bytes.length >= needed) return bytes
  const larger = Buffer.allocUnsafeSlow(Math.min(size, Math.max(needed, FIRST_BYTES, (bytes?.length ?? 0) * 2)))
  bytes?.copy(larger, 0, 0, used)
  return larger
}
