import { isIP } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { problem } from './problem.ts'

/**
 * Without keys: answers 421 to a request for another host than this machine (RFC 9110, 15.5.20).
 *
 * A page of `evil.example` may have that name resolved to 127.0.0.1, and then reads and sends as if the front door were
 * its own server; what it can't do is send another Host than its own name. With keys this is of no use to it, and a proxy
 * may pass on whatever name it is known by.
 */
export function ownHost(keys: readonly string[]): MiddlewareHandler {
  return async function checkHost(c, next) {
    if (keys.length === 0) {
      // The target of `GET http://other/ HTTP/1.1` has a host as well, which counts instead of the header's.
      const asked = [c.req.header('host'), new URL(c.req.url).host]
      for (const host of asked) if (host !== undefined && !isOwnHost(host)) throw misdirected(host)
    }
    await next()
  }
}

/**
 * Whether a Host header (`name`, `name:port`, `[address]:port`) names this machine by its loopback interface. Only as
 * browsers write it: other forms of the address, such as `127.1`, are no one's who means well.
 */
export function isOwnHost(host: string): boolean {
  const [, name, address] = /^(?:([a-z0-9.-]+)|\[([0-9a-f:.]+)\])(?::\d{1,5})?$/i.exec(host) ?? []
  if (address !== undefined) return isLoopbackV6(address)
  // A dot at the end makes the name absolute, and no other.
  const plain = (name ?? '').toLowerCase().replace(/\.$/, '')
  if (isIP(plain) === 4) return plain.startsWith('127.')
  // Resolvers and browsers keep all of localhost to the loopback interface (RFC 6761, 6.3).
  return plain === 'localhost' || plain.endsWith('.localhost')
}

function isLoopbackV6(address: string): boolean {
  if (isIP(address) !== 6) return false
  const { hostname } = new URL(`http://[${address}]`)
  // 127.0.0.0/8 in IPv6's notation for it begins with 7f in its last but one group.
  return hostname === '[::1]' || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(hostname)
}

function misdirected(host: string) {
  return problem(
    421,
    'Misdirected request',
    `Expected a Host that is this machine's (localhost, 127.0.0.1, [::1]) as long as API_KEYS is not set, found ` +
      `'${host.slice(0, 255)}'. Ask for localhost, have the proxy send that, or set API_KEYS.`,
  )
}
