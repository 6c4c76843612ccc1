import { STATUS_CODES } from 'node:http'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { isA, recordOf } from '../base/error-record.ts'
import { MessageTooLargeError, reasonOf, UnavailableError, UnroutableError, ValidationError } from '../base/errors.ts'
import { isInstance } from '../base/foreign.ts'

export interface ProblemOptions {
  /** A URI that identifies the kind of problem. @default 'about:blank': the status says it all */
  type?: string
  /** Each miss of the request, with its path. */
  errors?: readonly { path: string; message: string }[]
  /** Headers of the response, such as `retry-after`. */
  headers?: Record<string, string>
  cause?: unknown
}

/** An error that becomes a problem response as it is. Made by `problem()`. */
export class ProblemError extends HTTPException {
  readonly title: string
  readonly detail: string | undefined
  readonly options: ProblemOptions
  constructor(status: ContentfulStatusCode, title: string, detail?: string, options: ProblemOptions = {}) {
    super(status, { message: detail ?? title, cause: options.cause })
    this.name = 'ProblemError'
    this.title = title
    this.detail = detail
    this.options = options
  }
}

/**
 * An error to throw in a route: `throw problem(404, 'No such thumbnail')` answers with that problem (RFC 9457).
 * @param detail a sentence on this very occurrence; the caller sees it
 */
export function problem(
  status: ContentfulStatusCode,
  title: string,
  detail?: string,
  options?: ProblemOptions,
): ProblemError {
  return new ProblemError(status, title, detail, options)
}

const MAX_DETAIL = 1_000
const UNEXPECTED = 'Something unexpected happened. The log has it by the request id.'

/** The problem that whatever was thrown means for the caller. Details of unexpected errors stay out of it. */
export function toProblem(thrown: unknown): ProblemError {
  if (isInstance(thrown, ProblemError)) return thrown
  const error = recordOf(thrown)
  if (isA(error, ValidationError)) {
    const detail = error.message.slice(0, MAX_DETAIL)
    return problem(422, 'Validation failed', detail, { errors: error.issues ?? [] })
  }
  if (isA(error, MessageTooLargeError)) return problem(413, 'Message too large', error.message)
  // A queue that is not there yet is there once its worker runs: to the caller that is the same as a broker away.
  if (isA(error, UnavailableError) || isA(error, UnroutableError)) {
    return problem(503, 'Service unavailable', reasonOf(error), { headers: { 'retry-after': '1' } })
  }
  return (isInstance(thrown, HTTPException) && problemOf(thrown)) || problem(500, 'Internal server error', UNEXPECTED)
}

function problemOf(error: HTTPException): ProblemError | undefined {
  try {
    // Middleware of others puts headers such as www-authenticate on a response of its own.
    const headers = Object.fromEntries(error.res?.headers ?? [])
    delete headers['content-type']
    delete headers['content-length']
    const title = STATUS_CODES[error.status] ?? 'Error'
    return problem(error.status as ContentfulStatusCode, title, error.message || undefined, { headers })
  } catch {
    return undefined
  }
}

/** The one place where problem responses are built. */
export function problemResponse(error: ProblemError, requestId: string): Response {
  const headers = { ...error.options.headers, 'content-type': 'application/problem+json' }
  return new Response(problemBody(error, requestId), { status: error.status, headers })
}

export function problemBody({ options, title, status, detail }: ProblemError, requestId: string): string {
  const { type = 'about:blank', errors } = options
  return JSON.stringify({ type, title, status, detail, requestId, errors })
}

/** Hono's `onError`: answers with the problem, and logs what nobody expected. */
export function answerError(thrown: unknown, c: Context): Response {
  const answer = toProblem(thrown)
  if (answer.status === 500) {
    const error = recordOf(thrown)
    // Reading a body whose sender hung up fails as well; nobody is left to answer, and nothing is wrong here.
    const gone = c.req.raw.signal.aborted
    if (gone) c.var.log.debug({ err: error }, 'the client went away')
    else c.var.log.error({ err: error }, `unexpected error: ${reasonOf(error)}`)
  }
  return problemResponse(answer, c.var.requestId)
}
