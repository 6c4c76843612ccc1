import type { MiddlewareHandler } from 'hono'
import type { FrontDoor } from '../base/front-door.ts'

/** What a browser should not do with a response, unless the route says otherwise. */
const SECURITY = Object.entries({
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
})

/** Puts the request's id and the security headers on every response, errors included. */
export function responseHeaders(): MiddlewareHandler<FrontDoor> {
  return async function setHeaders(c, next) {
    await next()
    try {
      set(c.res.headers, c.var.requestId)
    } catch {
      // A response that a route got from fetch() has headers that can't be changed: a copy's can.
      const copy = new Response(c.res.body, c.res)
      set(copy.headers, c.var.requestId)
      c.res = undefined
      c.res = copy
    }
  }
}

function set(headers: Headers, requestId: string): void {
  headers.set('x-request-id', requestId)
  for (const [name, value] of SECURITY) if (!headers.has(name)) headers.set(name, value)
}
