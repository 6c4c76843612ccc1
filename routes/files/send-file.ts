import { open, stat } from 'node:fs/promises'
import type { Context } from 'hono'
import { problem } from 'warren'
import { parseRange, type Range } from './range.ts'

/** A response that is decided on but not sent: a route can still do what has to come first. */
export interface FileResponse {
  /** Whether the caller gets the file from its first byte on. */
  readonly fromStart: boolean
  send(): Response
}

const CHUNK = 64 * 1024

/**
 * Decides how to answer a request for a file: all of it (200), a range (206), nothing new (304).
 * Ranges, conditions and validators after RFC 9110, one range a request; HEAD opens no file.
 * @throws a 404 problem if there is no such file, 412 if it is not the one that was meant, 416 for a range that is not in it
 */
export async function prepareFile(c: Context, path: string, type: string, missing: string): Promise<FileResponse> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw problem(404, missing)
    throw error
  })
  const etag = `"${info.size.toString(36)}-${Math.floor(info.mtimeMs).toString(36)}"`
  const lastModified = info.mtime.toUTCString()
  const headers = { 'accept-ranges': 'bytes', etag, 'last-modified': lastModified, 'cache-control': 'no-cache' }

  if (isAnother(c, etag, lastModified)) {
    throw problem(412, 'Precondition failed', 'The file has changed.', {
      headers: { etag, 'last-modified': lastModified },
    })
  }
  if (isUnchanged(c, etag, lastModified)) {
    return { fromStart: true, send: () => new Response(null, { status: 304, headers }) }
  }
  // Only GET has ranges (RFC 9110, 14.2): HEAD tells the length of all of it.
  const isPart = c.req.method === 'GET' && isRangeMeant(c, etag, lastModified)
  const range = isPart ? parseRange(c.req.header('range'), info.size) : undefined
  if (range === 'unsatisfiable') {
    throw problem(416, 'Range not satisfiable', `The file has ${info.size} bytes.`, {
      headers: { 'content-range': `bytes */${info.size}`, 'accept-ranges': 'bytes' },
    })
  }

  const { start, end } = range ?? { start: 0, end: info.size - 1 }
  const describing = { ...headers, 'content-type': type, 'content-length': String(end - start + 1) }
  return {
    fromStart: start === 0,
    send() {
      const body = c.req.method === 'HEAD' ? null : readRange(path, { start, end })
      if (!range) return new Response(body, { headers: describing })
      const partial = { ...describing, 'content-range': `bytes ${start}-${end}/${info.size}` }
      return new Response(body, { status: 206, headers: partial })
    },
  }
}

/** Whether the caller means another version than this one (RFC 9110, 13.1.1 and 13.1.4). */
function isAnother(c: Context, etag: string, lastModified: string): boolean {
  const meant = c.req.header('if-match')
  if (meant !== undefined) return !tagsOf(meant).some((tag) => tag === '*' || tag === etag)
  const since = Date.parse(c.req.header('if-unmodified-since') ?? '')
  return Date.parse(lastModified) > since
}

function isUnchanged(c: Context, etag: string, lastModified: string): boolean {
  const known = c.req.header('if-none-match')
  if (known !== undefined) return tagsOf(known).some((tag) => ['*', etag].includes(tag.replace(/^W\//, '')))
  const since = Date.parse(c.req.header('if-modified-since') ?? '')
  return Date.parse(lastModified) <= since
}

function tagsOf(header: string): string[] {
  return header.split(',').map((tag) => tag.trim())
}

/** A range for another version of the file is none: the caller then gets all of this one. */
function isRangeMeant(c: Context, etag: string, lastModified: string): boolean {
  const version = c.req.header('if-range')
  return version === undefined || version === etag || version === lastModified
}

/** Reads as fast as the client takes it; the file is opened at the first read and closed at the end or a hang-up. */
function readRange(path: string, { start, end }: Range): ReadableStream<Uint8Array> {
  let file: Awaited<ReturnType<typeof open>> | undefined
  let position = start

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          file ??= await open(path)
          const length = Math.min(CHUNK, end - position + 1)
          const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, position)
          if (bytesRead === 0 && length > 0) throw new Error(`${path} has become shorter`)
          position += bytesRead
          if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead))
          if (position > end) {
            controller.close()
            await file.close()
          }
        } catch (error) {
          await file?.close().catch(() => undefined)
          throw error
        }
      },
      async cancel() {
        await file?.close()
      },
    },
    { highWaterMark: 0 },
  )
}
