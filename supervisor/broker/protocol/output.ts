import type { Socket } from 'node:net'
import { attempt, every, guarded, type OnFault, soon } from '../guard.ts'

/** Consumers get no more while so many bytes wait for the client to read them. */
const FULL_BYTES = 1024 * 1024

/** Nothing is read from a client that leaves so much unread. */
const STUFFED_BYTES = 16 * FULL_BYTES

/** Of those bounds, where all clients together leave too much unread. */
const CROWDED_SHARE = 1 / 16

/** Buffers up to this size are copied together; larger ones are handed to the socket as they are. */
const JOIN_BYTES = 64 * 1024

/** What goes out on a connection: the frames of one turn of the event loop in few writes. */
export interface Output {
  write(buffer: Buffer): void
  /** Runs an action before what is written in this turn goes out; it may write. */
  beforeFlush(action: () => void): void
  isFull(): boolean
  /** Far beyond full, which consumers alone can't bring about: the client asks, or is answered, and does not read. */
  isStuffed(): boolean
  /**
   * Runs the action, once, when it is not stuffed any more, or has ended. Somebody waits for the client then: it is
   * ended if it reads nothing at all for long.
   */
  whenRoom(action: () => void): void
  /** Whether anything was written since the last call: for heartbeats. */
  wasUsed(): boolean
  /** Writes out what there is; nothing goes out after it. */
  finish(): void
  /** The same, and ends the stream. */
  end(): void
}

export interface OutputOptions {
  /** What waits for clients to read it, of all connections. */
  readonly unread: { bytes: number }
  /** Bytes of it above which each client is full and stuffed sooner. */
  readonly unreadMax: number
  /** Milliseconds that a client may read nothing for while others wait for it to read. */
  readonly stallTimeout: number
  /** It has become stuffed: the client must not get to ask for more. */
  onStuffed(): void
  /** It was full and is not any more. */
  onDrain(): void
  /** The client is ended for what it does not read. */
  onStall(): void
  readonly onFault: OnFault
}

export function createOutput(socket: Socket, options: OutputOptions): Output {
  const { unread, unreadMax, stallTimeout, onStuffed, onDrain, onStall, onFault } = options
  let waiting: Buffer[] = []
  let bytes = 0
  /** What is in `waiting` and what the socket has not got rid of. */
  let own = 0
  let actions: (() => void)[] = []
  let isScheduled = false
  let used = false
  let isEnded = false
  let isOver = false
  let wasFull = false
  let waiters: (() => void)[] = []
  let stall: NodeJS.Timeout | undefined
  let hasRead = false

  socket.once('close', () => {
    isOver = true
    count(-own)
    letWaitersGo()
  })

  function count(change: number): void {
    own += change
    unread.bytes += change
  }

  function limit(most: number): number {
    return unread.bytes < unreadMax ? most : most * CROWDED_SHARE
  }

  function isFull(): boolean {
    if (own < limit(FULL_BYTES)) return false
    wasFull = true
    return true
  }

  function isStuffed(): boolean {
    return own >= limit(STUFFED_BYTES)
  }

  function written(size: number): void {
    if (isOver) return
    count(-size)
    hasRead = true
    if (waiters.length > 0 && own < limit(STUFFED_BYTES) / 2) letWaitersGo()
    if (!wasFull || own >= limit(FULL_BYTES) / 2) return
    wasFull = false
    onDrain()
  }

  function letWaitersGo(): void {
    clearInterval(stall)
    stall = undefined
    const due = waiters
    waiters = []
    for (const action of due) action()
  }

  function look(): void {
    if (hasRead) hasRead = false
    else {
      onStall()
      socket.destroy()
    }
  }

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    soon(onFault, flush)
  }

  function flush(): void {
    isScheduled = false
    const due = actions
    actions = []
    for (const action of due) attempt(onFault, action)
    if (waiting.length === 0 || socket.destroyed) return
    const parts = waiting
    const total = bytes
    waiting = []
    bytes = 0
    used = true
    const onWritten = guarded(onFault, () => written(total))
    if (parts.length === 1) socket.write(parts[0] as Buffer, onWritten)
    else if (total <= JOIN_BYTES) socket.write(Buffer.concat(parts, total), onWritten)
    else {
      socket.cork()
      for (const part of joined(parts))
        socket.write(
          part,
          guarded(onFault, () => written(part.length)),
        )
      socket.uncork()
    }
  }

  function finish(): void {
    if (isEnded) return
    flush()
    isEnded = true
  }

  return {
    write(buffer) {
      if (isEnded || isOver) return
      waiting.push(buffer)
      bytes += buffer.length
      count(buffer.length)
      if (isStuffed()) {
        wasFull = true
        onStuffed()
      }
      schedule()
    },
    beforeFlush(action) {
      actions.push(action)
      schedule()
    },
    isFull,
    isStuffed,
    whenRoom(action) {
      if (isOver) return action()
      waiters.push(action)
      if (stall) return
      hasRead = true
      stall = every(stallTimeout / 2, onFault, look)
    },
    wasUsed() {
      const result = used
      used = false
      return result
    },
    finish,
    end() {
      finish()
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
