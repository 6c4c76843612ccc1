import { isUtf8 } from 'node:buffer'

// Short strings and field names are bytes that need not be UTF-8. As text they keep their bytes: one that belongs to no
// UTF-8 sequence is the lone surrogate U+DC00 + byte, as in Python's "surrogateescape" (PEP 383), and is written as that
// byte again. So different bytes are different texts, and a name can be compared, kept and sent on as text.

const ESCAPE = 0xdc00
/** Bytes that stand for themselves: in `u` mode no half of a pair of surrogates matches. */
const ESCAPED = /([\udc80-\udcff]+)/u

/** The text of bytes from `start` up to `end`, whatever they are. */
export function decodeText(bytes: Buffer, start = 0, end = bytes.length): string {
  const part = bytes.subarray(start, end)
  return isUtf8(part) ? part.toString('utf8') : decodeBroken(part)
}

/** The bytes of a text: those that `decodeText` made it of. */
export function encodeText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8')
  const parts = text
    .split(ESCAPED)
    .map((part, index) => (index % 2 === 0 ? Buffer.from(part, 'utf8') : unescaped(part)))
  return Buffer.concat(parts)
}

/** How many bytes a text has. */
export function textLength(text: string): number {
  return text.isWellFormed() ? Buffer.byteLength(text, 'utf8') : encodeText(text).length
}

/** Writes a text's bytes at `at`, where there must be room for them, and returns how many they are. */
export function putText(buffer: Buffer, text: string, at: number): number {
  return text.isWellFormed() ? buffer.write(text, at, 'utf8') : encodeText(text).copy(buffer, at)
}

/** The longest start of a text that has at most so many bytes, cut between characters. */
export function cutToLength(text: string, most: number): string {
  const bytes = encodeText(text)
  if (bytes.length <= most) return text
  let end = most
  // Not in the middle of a character: its later bytes are 10xxxxxx. It has four bytes at most; longer runs are none.
  for (let back = 0; back < 3 && end > 0 && ((bytes[end] as number) & 0xc0) === 0x80; back++) end--
  return decodeText(bytes, 0, end)
}

function decodeBroken(bytes: Buffer): string {
  let text = ''
  let start = 0
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceAt(bytes, at)
    if (size > 0) {
      at += size
      continue
    }
    text += bytes.toString('utf8', start, at) + String.fromCharCode(ESCAPE + (bytes[at] as number))
    start = ++at
  }
  return text + bytes.toString('utf8', start)
}

/** How many bytes the UTF-8 sequence at `at` has; 0 where there is none. */
function sequenceAt(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < 0x80) return 1
  const size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  return at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)) ? size : 0
}

function unescaped(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at) - ESCAPE
  return bytes
}
