import { CodecError, FRAME_ERROR } from './errors.ts'
import { longAt } from './reader.ts'

/** Cuts a byte stream into frames. */
export interface FrameReader {
  /**
   * Takes the next bytes of the stream and calls `onFrame` for every frame that is complete. Throws CodecError 501 on a
   * frame that is none or is too large: from then on all bytes are dropped, because nobody knows where a frame begins.
   * What `onFrame` throws comes out too; the frames behind are kept for the next `push` or `resume`.
   */
  push(chunk: Buffer): void
  /** The largest frame from now on, in bytes; 0 is no limit. */
  setFrameMax(bytes: number): void
  /** Stops calling `onFrame`, at once. Bytes pushed meanwhile are kept, without a limit: stop reading the socket too. */
  pause(): void
  /** Goes on, with the bytes that were kept first. Throws what `push` throws. */
  resume(): void
}

const START = 7
const OVERHEAD = 8
const END = 0xce
const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Reads frames (AMQP 0-9-1, 4.2.3) of at most `frameMax` bytes. A payload is a view of the chunk that it came in, or of
 * a buffer of its own when it came in several: whoever keeps one for long copies it. A frame in many small chunks costs
 * time in proportion to its size, and memory in proportion to what has arrived of it.
 */
export function readFrames(
  frameMax: number,
  onFrame: (type: number, channel: number, payload: Buffer) => void,
): FrameReader {
  let largest = limitOf(frameMax)
  let chunk = NOTHING
  let at = 0
  // Chunks that nobody has looked at: what came while paused or from inside onFrame, and the one just pushed.
  let queue: Buffer[] = []
  let queueAt = 0
  // A frame that began in an earlier chunk: `total` bytes long, or START while even that is not known.
  let part = NOTHING
  let have = 0
  let total = START
  let paused = false
  let reading = false
  let broken = false

  function push(next: Buffer): void {
    if (broken) return
    queue.push(next)
    read()
  }

  function read(): void {
    if (reading) return
    reading = true
    try {
      while (!paused && (at < chunk.length || nextChunk())) {
        if (have > 0) assemble()
        else if (!readWhole()) assemble()
      }
    } finally {
      reading = false
    }
  }

  function nextChunk(): boolean {
    const next = queue[queueAt]
    chunk = next ?? NOTHING
    at = 0
    if (next) queueAt++
    // Lets go of chunks that are done, seldom enough that it costs nothing.
    if (queueAt === queue.length || queueAt === 1024) {
      queue = queueAt === queue.length ? [] : queue.slice(queueAt)
      queueAt = 0
    }
    return next !== undefined
  }

  function readWhole(): boolean {
    const left = chunk.length - at
    if (left < START) return false
    const end = at + check(chunk, at)
    if (end > chunk.length) return false
    const start = at
    at = end
    emit(chunk, start, end)
    return true
  }

  function assemble(): void {
    const taken = Math.min(total - have, chunk.length - at)
    makeRoom(have + taken)
    chunk.copy(part, have, at, at + taken)
    have += taken
    at += taken
    if (have < total) return
    if (total === START) {
      total = check(part, 0)
      return
    }
    const frame = part
    const end = total
    part = NOTHING
    have = 0
    total = START
    emit(frame, 0, end)
  }

  // Doubles, so that copying stays linear, and starts small: a peer that announces a large frame has not sent it yet.
  function makeRoom(bytes: number): void {
    if (bytes <= part.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(total, Math.max(bytes, part.length * 2)))
    part.copy(larger, 0, 0, have)
    part = larger
  }

  // Checks the first bytes of a frame and returns its size.
  function check(bytes: Buffer, start: number): number {
    const type = bytes[start] as number
    if (type !== 1 && type !== 2 && type !== 3 && type !== 8) throw broke(`unknown frame type ${type}`)
    const size = longAt(bytes, start + 3)
    if (type === 8 && size > 0) throw broke('a heartbeat with a payload')
    if (size > largest) throw broke(`a frame with a payload of ${size} bytes, more than the ${largest} agreed`)
    return size + OVERHEAD
  }

  function emit(bytes: Buffer, start: number, end: number): void {
    const last = bytes[end - 1] as number
    if (last !== END) throw broke(`a frame ends with octet ${last}, not ${END}`)
    const channel = ((bytes[start + 1] as number) << 8) | (bytes[start + 2] as number)
    onFrame(bytes[start] as number, channel, bytes.subarray(start + START, end - 1))
  }

  function broke(message: string): CodecError {
    broken = true
    chunk = NOTHING
    part = NOTHING
    at = 0
    queue = []
    queueAt = 0
    return new CodecError(FRAME_ERROR, message)
  }

  function setFrameMax(bytes: number): void {
    largest = limitOf(bytes)
  }

  function pause(): void {
    paused = true
  }

  function resume(): void {
    paused = false
    read()
  }

  return { push, setFrameMax, pause, resume }
}

// The overhead counts, but RabbitMQ forgives clients that don't count it, so that a payload may have all of frameMax.
function limitOf(frameMax: number): number {
  return frameMax > 0 ? frameMax : Number.POSITIVE_INFINITY
}
