import type { Socket } from 'node:net'

/**
 * Lets all that is written to a socket within one turn of the event loop go out as one piece: amqplib writes each frame by
 * itself, and every write is a call to the system.
 */
export function corkEachTurn(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let isCorked = false

  function uncork(): void {
    isCorked = false
    socket.uncork()
  }

  socket.write = (...args: unknown[]) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(uncork)
    }
    return write(...args)
  }
}
