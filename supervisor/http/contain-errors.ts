import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { recordOf, reviveError } from '../base/error-record.ts'
import { isInstance } from '../base/foreign.ts'
import type { FrontDoor } from '../base/front-door.ts'
import type { Logger } from '../base/log.ts'
import { runAs, type Work, type WorkOwner } from '../base/work.ts'

/** A request, as far as its errors need it. */
interface RequestWork extends Work {
  readonly log: Logger
  readonly method: string
  readonly path: string
  /** Undefined where no server is, as in a test of the routes. */
  readonly outgoing: HttpBindings['outgoing'] | undefined
  isAnswered: boolean
  /** Answers the request with an error, unless it is answered. */
  reject(error: unknown): void
}

/**
 * Makes a request answer for everything that its route begins: what the route throws, Error or not, is the request's
 * problem response; what nobody catches of its timers, callbacks and promises is logged with the request, as is a body
 * that fails, and the process goes on.
 */
export function containErrors(): MiddlewareHandler<FrontDoor> {
  return function containError(c, next) {
    return new Promise(function answer(resolve, reject) {
      const { method, path } = c.req
      const outgoing = (c.env as Partial<HttpBindings> | undefined)?.outgoing
      const work: RequestWork = { owner, log: c.var.log, method, path, outgoing, isAnswered: false, reject }
      outgoing?.once('close', () => {
        if (outgoing.errored) logCut(work, outgoing.errored)
      })
      runAs(work, next).then(
        function answered() {
          work.isAnswered = true
          resolve()
        },
        function failed(thrown: unknown) {
          work.isAnswered = true
          // Hono gives only Errors to `onError`.
          reject(isInstance(thrown, Error) ? thrown : reviveError(recordOf(thrown)))
        },
      )
    })
  }
}

// By then the status is sent: all that the client can be told is that there is no more.
function logCut({ log, method, path }: RequestWork, thrown: unknown): void {
  log.error({ err: recordOf(thrown), method, path }, 'the body of a response failed: the connection is cut')
}

const owner: WorkOwner = {
  uncaught({ log, method, path, outgoing, isAnswered, reject }: RequestWork, thrown, origin) {
    const error = recordOf(thrown)
    if (origin === 'rejection') {
      log.error({ err: error, method, path }, 'nobody handled a rejection of this request: is an await missing?')
      return true
    }
    // What began in a request may be the process's by now, such as a pool of connections.
    if (outgoing ? outgoing.closed : isAnswered) return false
    if (isAnswered) log.error({ err: error, method, path }, 'nobody caught an exception of this request')
    else reject(reviveError(error))
    return true
  },
}
