import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { problem } from './problem.ts'

/** Routes that answer without a key: what asks them has none, and they tell nothing. */
const OPEN_ROUTES = new Set(['/healthz', '/readyz'])

/**
 * Asks every other route's caller for one of the keys as a bearer token (RFC 6750). Without keys it asks for none.
 *
 * Keys are compared by their digests, in constant time, and all of them at every request: how long it takes tells
 * nothing about a key.
 */
export function auth(keys: readonly string[]): MiddlewareHandler {
  const digests = keys.map(digest)

  return async function checkKey(c, next) {
    if (digests.length > 0 && !OPEN_ROUTES.has(c.req.path)) {
      const token = /^Bearer +([^\s]+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
      if (token === undefined) throw unauthorized('Send one of the keys as `Authorization: Bearer KEY`.')
      const given = digest(token)
      let known = false
      for (const key of digests) known = timingSafeEqual(key, given) || known
      if (!known) throw unauthorized('The bearer token is not one of the keys.', 'error="invalid_token"')
    }
    await next()
  }
}

function unauthorized(detail: string, parameter?: string) {
  return problem(401, 'Unauthorized', detail, {
    headers: { 'www-authenticate': parameter ? `Bearer ${parameter}` : 'Bearer' },
  })
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
