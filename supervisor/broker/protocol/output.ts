import type { Socket } from 'node:net'

/** Consumers get no more while so many bytes wait for the client to read them. */
const FULL_BYTES = 1024 * 1024

/** Nothing is read from a client that leaves so much unread. */
const STUFFED_BYTES = 16 * FULL_BYTES

/** Buffers up to this size are copied together; larger ones are handed to the socket as they are. */
const JOIN_BYTES = 64 * 1024

/** What goes out on a connection: the frames of one turn of the event loop in few writes. */
export interface Output {
  write(buffer: Buffer): void
  /** Runs an action before what is written in this turn goes out; it may write. */
  beforeFlush(action: () => void): void
  isFull(): boolean
  /** Far beyond full, which consumers alone can't bring about: the client asks and does not read. */
  isStuffed(): boolean
  /** Whether anything was written since the last call: for heartbeats. */
  wasUsed(): boolean
  /** Writes out, and ends the stream: nothing more goes out. */
  end(): void
}

/** @param onDrain called when it was full and is not any more */
export function createOutput(socket: Socket, onDrain: () => void): Output {
  let waiting: Buffer[] = []
  let bytes = 0
  let actions: (() => void)[] = []
  let isScheduled = false
  let used = false
  let isEnded = false

  socket.on('drain', () => {
    if (socket.writableLength < FULL_BYTES) onDrain()
  })

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    isScheduled = false
    const due = actions
    actions = []
    for (const action of due) action()
    if (waiting.length === 0 || socket.destroyed) return
    const parts = waiting
    const total = bytes
    waiting = []
    bytes = 0
    used = true
    if (parts.length === 1) socket.write(parts[0] as Buffer)
    else if (total <= JOIN_BYTES) socket.write(Buffer.concat(parts, total))
    else {
      socket.cork()
      for (const part of joined(parts)) socket.write(part)
      socket.uncork()
    }
  }

  return {
    write(buffer) {
      if (isEnded) return
      waiting.push(buffer)
      bytes += buffer.length
      schedule()
    },
    beforeFlush(action) {
      actions.push(action)
      schedule()
    },
    isFull: () => bytes + socket.writableLength >= FULL_BYTES,
    isStuffed: () => bytes + socket.writableLength >= STUFFED_BYTES,
    wasUsed() {
      const result = used
      used = false
      return result
    },
    end() {
      if (isEnded) return
      flush()
      isEnded = true
      socket.end()
    },
  }
}

/** Neighbours together, as long as they are small. */
function* joined(parts: readonly Buffer[]): Generator<Buffer> {
  let run: Buffer[] = []
  let size = 0
  for (const part of parts) {
    if (size + part.length > JOIN_BYTES && run.length > 0) {
      yield Buffer.concat(run, size)
      run = []
      size = 0
    }
    run.push(part)
    size += part.length
  }
  if (run.length > 0) yield run.length === 1 ? (run[0] as Buffer) : Buffer.concat(run, size)
}
