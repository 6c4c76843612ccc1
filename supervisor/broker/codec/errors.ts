/** The reply codes that a broken frame, method or table earns (AMQP 0-9-1, 1.2 constants). */
export const FRAME_ERROR = 501
export const SYNTAX_ERROR = 502
export const COMMAND_INVALID = 503
export const NOT_IMPLEMENTED = 540

/**
 * Bytes that are not AMQP 0-9-1; carries what the broker's `connection.close` says.
 * `classId` and `methodId` are those of the method that was being read, else 0.
 */
export class CodecError extends Error {
  override readonly name = 'CodecError'
  readonly code: number
  readonly classId: number
  readonly methodId: number

  constructor(code: number, message: string, classId = 0, methodId = 0) {
    super(message)
    this.code = code
    this.classId = classId
    this.methodId = methodId
  }
}

/** The bytes ended, or a length points beyond them. */
export function truncated(what: string): CodecError {
  return new CodecError(SYNTAX_ERROR, `${what} runs past its end`)
}
