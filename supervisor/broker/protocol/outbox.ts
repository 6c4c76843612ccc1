/** Nothing more is read while so many bytes wait behind answers that are still to come. */
const FULL_BYTES = 1024 * 1024

/** Nothing more is read while so many answers are still to come. */
const FULL_ANSWERS = 1_024

/** Gives the answer that a place was reserved for, or with no frame gives the place up. */
export type Answer = (frame?: Buffer) => void

/**
 * Keeps the order of what goes out on each channel of a connection while answers wait for the disk: such an answer
 * reserves its place, and what is written later on its channel comes behind it. Other channels go on, and so does what is
 * read: acknowledgements are handled, and further changes share a commit.
 */
export interface Outbox {
  /** Writes frames of one channel. */
  write(frames: Buffer): void
  reserve(channel: number): Answer
  isFull(): boolean
  /** Runs the action, once, when no answer is still to come: at once if that is so. */
  whenEmpty(action: () => void): void
  /** Writes nothing any more. */
  close(): void
}

interface Place {
  answer: Buffer | undefined
  isGiven: boolean
  readonly behind: Buffer[]
}

export interface OutboxOptions {
  write(frames: Buffer): void
  onFull(): void
  /** Called when it was full and nothing waits any more. */
  onEmpty(): void
}

export function createOutbox({ write, onFull, onEmpty }: OutboxOptions): Outbox {
  /** The channels with answers that are still to come. */
  const lines = new Map<number, Place[]>()
  let bytes = 0
  let answers = 0
  let wasFull = false
  let isClosed = false
  let waiting: (() => void)[] = []

  const isFull = () => bytes >= FULL_BYTES || answers >= FULL_ANSWERS

  function check(): void {
    if (wasFull || !isFull()) return
    wasFull = true
    onFull()
  }

  function pass(channel: number, line: Place[]): void {
    for (let [first] = line; first?.isGiven; [first] = line) {
      line.shift()
      answers--
      if (first.answer) write(first.answer)
      for (const frames of first.behind) {
        bytes -= frames.length
        write(frames)
      }
    }
    if (line.length === 0) lines.delete(channel)
    if (lines.size > 0) return
    const due = waiting
    waiting = []
    for (const action of due) action()
    if (!wasFull) return
    wasFull = false
    onEmpty()
  }

  return {
    isFull,

    write(frames) {
      if (isClosed) return
      const line = lines.size === 0 ? undefined : lines.get(channelOf(frames))
      const last = line?.at(-1)
      if (!last) return write(frames)
      last.behind.push(frames)
      bytes += frames.length
      check()
    },

    reserve(channel) {
      const line = lines.get(channel) ?? []
      lines.set(channel, line)
      const place: Place = { answer: undefined, isGiven: false, behind: [] }
      line.push(place)
      answers++
      check()
      return function give(frame) {
        if (isClosed || place.isGiven) return
        place.answer = frame
        place.isGiven = true
        pass(channel, line)
      }
    },

    whenEmpty(action) {
      if (lines.size === 0) action()
      else waiting.push(action)
    },

    close() {
      isClosed = true
      lines.clear()
      waiting = []
    },
  }
}

/** The channel that a frame names (AMQP 0-9-1, 4.2.3). */
function channelOf(frame: Buffer): number {
  return frame.readUInt16BE(1)
}
