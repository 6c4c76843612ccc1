import { createHash } from 'node:crypto'

/** The body of the message of a number. @param size its length, where that is not just the number's text */
export function bodyOf(number: number, size: number | undefined): Buffer {
  const text = `m${number}`
  if (size === undefined) return Buffer.from(text)
  const body = Buffer.alloc(size)
  for (let at = 0; at < size; at++) body[at] = (at * 31 + number) & 0xff
  return body
}

/** A body as observations show it. */
export function bodyText(body: Buffer | undefined): string {
  if (body === undefined || body.length < 40) return String(body)
  return `${body.length} bytes ${createHash('sha256').update(body).digest('hex').slice(0, 8)}`
}
