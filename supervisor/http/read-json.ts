import type { Context } from 'hono'
import { reasonOf } from '../base/errors.ts'
import { JSON_LIMIT, limitChunks, tooLarge } from './body-limit.ts'
import { problem } from './problem.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/i
/** A parameter of a media type, its value quoted or not (RFC 9110, 5.6.6). */
const PARAMETER = /;\s*([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g

/** Fails where bytes are not UTF-8, and leaves out a byte order mark (RFC 8259, 8.1). */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads a JSON body of at most `JSON_LIMIT` bytes. @throws a problem: 400, 413, 415 */
export async function readJson(c: Context): Promise<unknown> {
  const type = c.req.header('content-type')
  if (!JSON_TYPE.test(type?.split(';')[0]?.trim() ?? ''))
    throw unsupported(`type application/json, found ${type ?? 'no type'}`)
  // JSON is UTF-8. Read as that, text in another charset would be accepted as other text.
  for (const charset of charsetsOf(type as string)) {
    if (!/^utf-?8$/i.test(charset)) throw unsupported(`charset utf-8, found charset ${charset}`)
  }
  const encoding = c.req.header('content-encoding')?.trim() || 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    throw unsupported(`content-encoding identity, found ${encoding}`, { 'accept-encoding': 'identity' })
  }
  return parseJson(decode(await readBytes(c)))
}

function charsetsOf(type: string): string[] {
  const parameters = [...type.matchAll(PARAMETER)].map(([, name, quoted, plain]) => ({
    name: name?.toLowerCase(),
    value: quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
  }))
  return parameters.filter(({ name }) => name === 'charset').map(({ value }) => value)
}

async function readBytes(c: Context): Promise<ArrayBuffer> {
  if (Number(c.req.header('content-length') ?? 0) > JSON_LIMIT) throw tooLarge(JSON_LIMIT)
  if (c.req.header('transfer-encoding') !== undefined) limitChunks(c, JSON_LIMIT)
  return c.req.arrayBuffer()
}

function decode(bytes: ArrayBuffer): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw problem(400, 'Bad JSON', 'The body is not JSON: it is not UTF-8.', { cause: error })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw problem(400, 'Bad JSON', `The body is not JSON: ${reasonOf(error)}`, { cause: error })
  }
}

function unsupported(what: string, headers: Record<string, string> = {}) {
  return problem(415, 'Unsupported media type', `Expected a body of ${what.slice(0, 500)}.`, { headers })
}
