import type { SocketOptions } from '../amqp/amqplib-inside.ts'
import { folderOf, socketPath } from '../base/broker-socket.ts'

/** How amqplib gets to a broker. */
export interface Way {
  /** As amqplib understands it. */
  readonly address: string
  readonly socket: SocketOptions
}

/**
 * To the embedded broker by its socket, to another one by the network.
 * @throws as `socketPath`: then nothing may be sent, the password least of all
 */
export function wayTo(url: string): Way {
  const folder = folderOf(url)
  if (folder === undefined) return { address: url, socket: {} }
  const path = socketPath(folder)
  return { address: url.replace(/^amqp\+unix:/, 'amqp:'), socket: { path } }
}
