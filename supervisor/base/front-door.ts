import type { Bus } from './bus.ts'
import type { Logger } from './log.ts'

/** What the front door gives each route, as Hono's `c.var`: `new Hono<FrontDoor>()`. */
export interface FrontDoor {
  Variables: {
    /** Sends messages that carry this request's id. */
    bus: Bus
    /** Logs with this request's id. */
    log: Logger
    /** The `x-request-id` that came with the request, or a new one. */
    requestId: string
  }
}

/** What the front door needs of the messaging client. */
export interface FrontDoorClient {
  /** `ready` while messages can be sent; otherwise `reason` says in a sentence why not. */
  readonly state: { readonly status: string; readonly reason?: string }
  /** A bus whose messages carry these headers. */
  bus(headers?: { requestId?: string }): Bus
}
