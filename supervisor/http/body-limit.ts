import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type ProblemError, problem } from './problem.ts'

/** The largest body of any request, in bytes. */
export const BODY_LIMIT = 32 * 1024 * 1024

/** The largest JSON body, in bytes: it is parsed in one go, which holds up everything else. */
export const JSON_LIMIT = 1024 * 1024

/** Refuses bodies over the limit with 413, by their content-length before a byte is read, chunked ones while reading. */
export function limitBody(limit: number = BODY_LIMIT): MiddlewareHandler {
  // Hono's middleware costs half of the throughput on bodies of known length, and buffers: only for chunked ones.
  const limitChunked = bodyLimit({
    maxSize: limit,
    onError: () => {
      throw tooLarge(limit)
    },
  })

  return async function checkLength(c, next) {
    if (c.req.header('transfer-encoding') !== undefined) return limitChunked(c, next)
    if (Number(c.req.header('content-length') ?? 0) > limit) throw tooLarge(limit)
    await next()
  }
}

export function tooLarge(limit: number): ProblemError {
  // The rest of the body is not wanted, so the connection can't be used again.
  return problem(413, 'Body too large', `The body may have at most ${limit} bytes.`, {
    headers: { connection: 'close' },
  })
}
