import type { MiddlewareHandler } from 'hono'
import { recordOf } from '../base/error-record.ts'
import type { FrontDoor, FrontDoorClient } from '../base/front-door.ts'
import type { Logger } from '../base/log.ts'
import { uuidv7 } from '../base/uuid.ts'

/** Printable ASCII without spaces: an id goes into headers, logs and messages as it came. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** Routes that probes ask every few seconds. */
const HEALTH_ROUTES = new Set(['/healthz', '/readyz'])

/** The id that the caller gave its request, if it is a sane one, or a new UUIDv7. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && REQUEST_ID.test(header) ? header : uuidv7()
}

/**
 * Gives each request its id, its log and its bus, and writes one log line when its response begins.
 * The query and the headers stay out of the log: they may hold secrets.
 */
export function requestContext(log: Logger, client: FrontDoorClient): MiddlewareHandler<FrontDoor> {
  return async function provideContext(c, next) {
    const start = performance.now()
    const requestId = requestIdOf(c.req.header('x-request-id'))
    const requestLog = log.child({ requestId })
    c.set('requestId', requestId)
    c.set('log', requestLog)
    c.set('bus', client.bus({ requestId }))

    await next()

    const line: Record<string, unknown> = {
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round((performance.now() - start) * 10) / 10,
    }
    const code = c.error && recordOf(c.error).code
    if (code !== undefined) line.code = code
    requestLog[HEALTH_ROUTES.has(c.req.path) ? 'debug' : 'info'](line, 'request')
  }
}
