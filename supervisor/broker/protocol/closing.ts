import type { Socket } from 'node:net'
import { CodecError, encodeMethod, METHOD_IDS, type MethodName } from '../../amqp/methods.ts'
import { AmqpError, type ReplyCode } from '../errors.ts'
import { later } from '../guard.ts'
import type { Outbox } from './outbox.ts'
import type { Output } from './output.ts'

/** How long a client gets to answer `connection.close`, or to end the connection once it has its own answer. */
const CLOSE_TIMEOUT_MS = 5_000

/** What `channel.close` and `connection.close` say. */
export interface CloseReason {
  readonly replyCode: number
  readonly replyText: string
  readonly classId: number
  readonly methodId: number
}

/** @param handled the method that was handled when the error came up, if there was one */
export function closeReason(error: AmqpError, handled: MethodName | undefined): CloseReason {
  const name = error.method ?? handled
  const [classId, methodId] = name ? METHOD_IDS[name] : [0, 0]
  return { replyCode: error.code, replyText: error.replyText, classId, methodId }
}

/** What ends a connection, for its client: a fault of the broker's own has no details for it. */
export function connectionCloseReason(error: unknown, handled: MethodName | undefined): CloseReason {
  if (error instanceof AmqpError) return closeReason(error, handled)
  if (!(error instanceof CodecError)) return closeReason(new AmqpError(541, 'a fault in the broker'), handled)
  const { code, message, classId, methodId } = error
  return { ...closeReason(new AmqpError(code as ReplyCode, message), handled), classId, methodId }
}

/** Sends `connection.close`, and ends the connection of a client that does not answer. */
export function sendClose(socket: Socket, output: Output, reason: CloseReason): void {
  output.write(encodeMethod(0, { name: 'connection.close', ...reason }))
  limitPatience(socket)
}

/**
 * Answers `connection.close` behind the answers that wait for the disk, or without them if the disk takes nothing.
 * @param released where something that the client had is still to be given back
 */
export function answerClose(socket: Socket, output: Output, outbox: Outbox, released?: Promise<unknown>): void {
  let isAnswered = false
  const impatience = later(CLOSE_TIMEOUT_MS, () => void socket.destroy(), answer)
  if (released) released.then(() => outbox.whenEmpty(answer))
  else outbox.whenEmpty(answer)

  function answer(): void {
    clearTimeout(impatience)
    if (isAnswered) return
    isAnswered = true
    outbox.close()
    hangUp(socket, output)
  }
}

/**
 * Answers `connection.close`, and leaves the end of the stream to the client, as RabbitMQ does. Cut while more of what the
 * client sends is on its way, the answer might never be read; and some clients take an end of the broker's for a failure.
 */
function hangUp(socket: Socket, output: Output): void {
  output.write(encodeMethod(0, { name: 'connection.close-ok' }))
  output.finish()
  limitPatience(socket)
}

function limitPatience(socket: Socket): void {
  const impatience = later(
    CLOSE_TIMEOUT_MS,
    () => {},
    () => void socket.destroy(),
  )
  socket.once('close', () => clearTimeout(impatience))
}
