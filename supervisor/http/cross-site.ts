import type { Context, MiddlewareHandler } from 'hono'
import { problem } from './problem.ts'

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Without keys: answers 403 to requests that may change something and that another site's page had a browser send, as a
 * form or a `fetch` of plain text, which need no permission. Reading is safe from such pages: no response has a CORS
 * header. With keys they can't send one, and need no such care.
 *
 * Browsers say by `Sec-Fetch-Site` where a request comes from, older ones by `Origin`. Programs send neither. Another port
 * of this machine is `same-site`: it may be another user's.
 */
export function crossSite(keys: readonly string[]): MiddlewareHandler {
  return async function checkSite(c, next) {
    if (keys.length === 0 && !SAFE_METHODS.has(c.req.method)) {
      const found = foreignSource(c)
      if (found !== undefined) {
        throw problem(
          403,
          'Cross-site request',
          `Expected a request from a page of this front door, or from no page, found ${found}. Set API_KEYS to let others in.`,
        )
      }
    }
    await next()
  }
}

/** What says that the request comes from another origin's page, or undefined. */
function foreignSource(c: Context): string | undefined {
  const site = c.req.header('sec-fetch-site')
  // `none`: the user typed it in, or an extension sent it.
  if (site !== undefined) {
    return site === 'same-origin' || site === 'none' ? undefined : `Sec-Fetch-Site: ${site.slice(0, 255)}`
  }
  const origin = c.req.header('origin')
  if (origin === undefined || isOrigin(origin, c.req.header('host'))) return undefined
  return `Origin: ${origin.slice(0, 255)}`
}

/** Whether the origin is the host's, by either scheme: a proxy in front may have taken TLS off. */
function isOrigin(origin: string, host: string | undefined): boolean {
  const scheme = /^https?:\/\//i.exec(origin)?.[0]
  if (scheme === undefined || host === undefined || !URL.canParse(origin) || !URL.canParse(scheme + host)) return false
  return new URL(origin).host === new URL(scheme + host).host
}
