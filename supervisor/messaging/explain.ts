import { brokerName } from '../base/config.ts'
import { reasonOf } from '../base/errors.ts'

/** ENOENT: a broker that has never run, or has ended in good order, leaves no socket. */
const ABSENT = new Set(['ECONNREFUSED', 'ENOENT'])

/** Why a connection or channel ended, as a word for programs: `ECONNREFUSED`, `ACCESS_REFUSED`, `PRECONDITION_FAILED`. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (typeof code === 'string') return code
  const reason = reasonOf(error)
  if (isVhostRefusal(reason)) return 'NOT_ALLOWED'
  // amqplib writes a refusal as «403 (ACCESS-REFUSED) with message "…"».
  return /\(([A-Z-]+)\) with message/.exec(reason)?.[1]?.replaceAll('-', '_')
}

/** Why there is no connection to the broker at the URL, in a sentence without its full stop and without the password. */
export function explain(error: unknown, url: string): string {
  const broker = brokerName(url)
  const reason = reasonOf(error)
  if (ABSENT.has(codeOf(error) ?? '')) return `nothing listens at ${broker}`
  if (/Login was refused/.test(reason)) return `the broker at ${broker} refused the user or password`
  if (isVhostRefusal(reason)) {
    const { pathname, username } = new URL(url)
    const vhost = decodeURIComponent(pathname.slice(1)) || '/'
    return (
      `the broker at ${broker} refused virtual host '${vhost}' to user '${decodeURIComponent(username) || 'guest'}': it does ` +
      'not exist, or the user has no permissions in it, or it has reached its limit of connections'
    )
  }
  const denied = deniedPermission(error)
  return `${broker}: ${denied ? `${denied}: grant the permission, or give AMQP_URL another user` : reason}`
}

/** The permission that the broker has refused, in its words: `write access to exchange 'x' in vhost '/' refused for user 'u'`. */
export function deniedPermission(error: unknown): string | undefined {
  return /with message "ACCESS_REFUSED - ([^"]*)"/.exec(reasonOf(error))?.[1]
}

// The broker closes the connection instead of opening the virtual host; amqplib drops the reason that it gives.
function isVhostRefusal(reason: string): boolean {
  return /^Expected ConnectionOpenOk; got <ConnectionClose\b/.test(reason)
}
