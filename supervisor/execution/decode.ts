import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { InvalidMessageError, reasonOf } from '../base/errors.ts'
import type { Attempt } from './attempt.ts'

/** What of an attempt makes its data. */
export type Content = Pick<Attempt, 'body' | 'encoding' | 'unreadable'>

/** Bytes that a compressed body may become: as many as a broker takes of one that is not. */
const MAX_INFLATED_BYTES = 16 * 1024 * 1024

/** What a body is in already. Some clients write the charset there, or what kind of content it is. */
const PLAIN = new Set(['', 'identity', 'utf-8', 'utf8', 'us-ascii', 'ascii', 'binary', '8bit', '7bit'])
const INFLATERS = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
])

/**
 * Decodes a body from JSON in UTF-8, which may be compressed; a byte order mark is ignored.
 * @returns the value, or a promise of it for a compressed one
 * @throws InvalidMessageError
 */
export function decode({ body, encoding }: Content, what: string): unknown {
  // Bytes that came through a thread's port are no Buffer any more.
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (encoding === undefined || PLAIN.has(encoding.toLowerCase())) return parse(bytes, what)
  const inflated = INFLATERS.get(encoding.toLowerCase())?.(bytes, { maxOutputLength: MAX_INFLATED_BYTES })
  if (!inflated) throw invalid(what, `expected content-encoding gzip, deflate or none, found '${encoding}'`)
  return inflated.then(
    (text) => parse(text, what),
    (error) => {
      throw invalid(what, whyNotInflated(error, encoding))
    },
  )
}

function parse(bytes: Buffer, what: string): unknown {
  const text = bytes.toString()
  // The character that stands for what is no UTF-8 may also have been sent.
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw invalid(what, 'expected UTF-8, found other bytes')
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (error) {
    throw invalid(what, `expected JSON: ${reasonOf(error)}`)
  }
}

function whyNotInflated(error: unknown, encoding: string): string {
  const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
  return isTooLarge
    ? `expected at most ${MAX_INFLATED_BYTES} bytes once inflated, found more`
    : `expected ${encoding} as its content-encoding says: ${reasonOf(error)}`
}

function invalid(what: string, message: string): InvalidMessageError {
  return new InvalidMessageError(what, [{ path: '', message }])
}
