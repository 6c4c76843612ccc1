import type { MethodName } from '../amqp/methods.ts'
import { cutToLength } from '../amqp/text.ts'

/** AMQP 0-9-1's reply codes (section 1.2 of the specification's XML) and the names that RabbitMQ begins its texts with. */
const NAMES = {
  311: 'CONTENT_TOO_LARGE',
  312: 'NO_ROUTE',
  320: 'CONNECTION_FORCED',
  402: 'INVALID_PATH',
  403: 'ACCESS_REFUSED',
  404: 'NOT_FOUND',
  405: 'RESOURCE_LOCKED',
  406: 'PRECONDITION_FAILED',
  501: 'FRAME_ERROR',
  502: 'SYNTAX_ERROR',
  503: 'COMMAND_INVALID',
  504: 'CHANNEL_ERROR',
  505: 'UNEXPECTED_FRAME',
  506: 'RESOURCE_ERROR',
  530: 'NOT_ALLOWED',
  540: 'NOT_IMPLEMENTED',
  541: 'INTERNAL_ERROR',
} as const

export type ReplyCode = keyof typeof NAMES

/** These end the channel alone; all others end the connection. */
const SOFT: readonly ReplyCode[] = [311, 312, 403, 404, 405, 406]

/** A reply text is a short string: 255 bytes at most. */
const MAX_TEXT = 255

/** What a client did wrong, as the broker tells it when it closes the channel or the connection. */
export class AmqpError extends Error {
  readonly code: ReplyCode
  /** The method that caused it, where that is not the one being handled. */
  readonly method: MethodName | undefined

  constructor(code: ReplyCode, text: string, method?: MethodName) {
    super(`${NAMES[code]} - ${text}`)
    this.name = 'AmqpError'
    this.code = code
    this.method = method
  }

  get endsConnection(): boolean {
    return !SOFT.includes(this.code)
  }

  get replyText(): string {
    return cutToLength(this.message, MAX_TEXT)
  }
}

/** The one virtual host there is; RabbitMQ's texts name it. */
export const VHOST = '/'

export function notFound(kind: 'queue' | 'exchange', name: string): AmqpError {
  return new AmqpError(404, `no ${kind} '${name}' in vhost '${VHOST}'`)
}

export function refused(text: string): AmqpError {
  return new AmqpError(403, text)
}

export function precondition(text: string): AmqpError {
  return new AmqpError(406, text)
}
