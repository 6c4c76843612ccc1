// The reply codes that broken bytes earn (AMQP 0-9-1, 1.2). What RabbitMQ 3.10.8 answers, as tried:
// - a frame of an unknown type, too large, without its end octet, a heartbeat with a payload: 501, ids 0.0
// - arguments that are too short or too long: 501 with the method's ids; a short string that is not UTF-8: 501, ids 0.0
// - broken properties, or headers with a broken table: 541
// - an unknown method, or a broken table among the arguments: its reader crashes, and the client sees a reset
// Where RabbitMQ crashes or blames itself, ours are the codes that the specification has for it: 502, and 503 for an
// unknown method, as RabbitMQ has for a known method that makes no sense.
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
