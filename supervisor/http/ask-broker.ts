import type { MiddlewareHandler } from 'hono'
import { BrokerUnavailableError } from '../base/errors.ts'
import type { FrontDoorClient } from '../base/front-door.ts'

/** Without a broker there is nothing to look at, and nobody needs to wait for a connection that can't be made. */
export function askBroker(client: FrontDoorClient): MiddlewareHandler {
  return async function checkBroker(_, next) {
    const { status, reason } = client.state
    if (status === 'waiting') throw new BrokerUnavailableError(reason ?? status)
    await next()
  }
}
