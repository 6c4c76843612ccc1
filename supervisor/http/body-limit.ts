import type { Context, MiddlewareHandler } from 'hono'
import { type ProblemError, problem } from './problem.ts'

/** The largest body of any request, in bytes. */
export const BODY_LIMIT = 32 * 1024 * 1024

/** The largest JSON body, in bytes: it is parsed in one go, which holds up everything else. */
export const JSON_LIMIT = 1024 * 1024

/** Refuses bodies over the limit with 413, by their content-length before a byte is read, chunked ones while reading. */
export function limitBody(limit: number = BODY_LIMIT): MiddlewareHandler {
  return async function checkLength(c, next) {
    if (c.req.header('transfer-encoding') !== undefined) limitChunks(c, limit)
    else if (Number(c.req.header('content-length') ?? 0) > limit) throw tooLarge(limit)
    await next()
  }
}

/**
 * Has a chunked body fail with the 413 problem once it is over the limit. Its chunks come as the route takes them, where
 * Hono's own middleware reads them all into memory.
 */
export function limitChunks(c: Context, limit: number): void {
  const { raw } = c.req
  if (!raw.body) return
  let bytes = 0
  const counted = raw.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes > limit) throw tooLarge(limit)
        controller.enqueue(chunk)
      },
    }),
  )
  c.req.raw = new Request(raw, { body: counted, duplex: 'half' } as RequestInit)
}

export function tooLarge(limit: number): ProblemError {
  // The rest of the body is not wanted, so the connection can't be used again.
  return problem(413, 'Body too large', `The body may have at most ${limit} bytes.`, {
    headers: { connection: 'close' },
  })
}
