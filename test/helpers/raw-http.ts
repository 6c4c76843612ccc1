import { once } from 'node:events'
import { connect } from 'node:net'

/** An answer as it came over the wire; without a status where the connection was closed without one. */
export interface RawAnswer {
  readonly status: number | undefined
  /** Every status line, a `100 Continue` among them. */
  readonly statuses: readonly number[]
  readonly text: string
}

/**
 * Sends bytes that no HTTP client would, and reads until the server closes the connection.
 * Lines of an array are joined by CRLF, with an empty one behind them.
 */
export async function rawHttp(url: string, request: string | readonly string[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.setEncoding('latin1').on('data', (part) => {
    text += part
  })
  // Refused, the rest of what is sent may be reset.
  socket.on('error', () => {})
  socket.write(typeof request === 'string' ? request : `${request.join('\r\n')}\r\n\r\n`, 'latin1')
  await once(socket, 'close')
  const statuses = [...text.matchAll(/^HTTP\/1\.[01] (\d{3}) /gm)].map(([, status]) => Number(status))
  return { status: statuses.at(-1), statuses, text }
}
