import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

export interface LogOutput {
  /** Writes a line, its newline included. It never throws and, where the reader can be slow, never waits. */
  write(line: string): void
  /** Gives a slow reader a moment to take what is left, as before the process ends. */
  flushSync(): void
}

interface Part {
  bytes: Buffer
  /** How many lines are missing if it can't be written. */
  readonly lines: number
}

/** What is left for a slow reader is kept up to so many bytes. */
const MAX_PENDING_BYTES = 1024 * 1024
/** Milliseconds between tries to write what is left. */
const RETRY_MS = 50
/** Milliseconds that a slow reader gets at the end of the process. */
const FLUSH_MS = 250

const SLEEP = new Int32Array(new SharedArrayBuffer(4))

/**
 * Lines to a file descriptor. A full disk, a closed pipe or a reader that has stopped costs lines and nothing else: the
 * process goes on, and once writing works again one line says how many are missing.
 * @param note makes that line: of how many lines, and why they are missing
 */
export function openOutput(fd: number, note: (lost: number, code: string) => string): LogOutput {
  const pending: Part[] = []
  let pendingBytes = 0
  let lost = 0
  let why = ''
  /** A line was cut by an error: what follows must not be part of it. */
  let isTorn = false
  let timer: NodeJS.Timeout | undefined

  dontWait(fd)
  process.on('exit', flushSync)

  function write(line: string): void {
    // Not before all that came before the gap is written: a gap is told of once.
    if (lost > 0 && !flush()) {
      lose(1, why)
      return
    }
    tellLost()
    push(line, 1)
    flush()
  }

  function tellLost(): void {
    if (lost === 0) return
    const lines = lost
    lost = 0
    push(note(lines, why), lines)
  }

  function push(text: string, lines: number): void {
    const bytes = Buffer.from(isTorn ? `\n${text}` : text)
    if (pendingBytes + bytes.length > MAX_PENDING_BYTES) {
      lose(lines, 'EAGAIN')
      return
    }
    isTorn = false
    pending.push({ bytes, lines })
    pendingBytes += bytes.length
  }

  function lose(lines: number, code: string): void {
    lost += lines
    why = code
  }

  /** Writes what there is. @returns whether nothing is left */
  function flush(): boolean {
    for (let part = pending[0]; part; part = pending[0]) {
      const done = writePart(part)
      pendingBytes -= done
      if (done < part.bytes.length) {
        part.bytes = part.bytes.subarray(done)
        if (!timer) timer = setTimeout(retry, RETRY_MS).unref()
        return false
      }
      pending.shift()
    }
    return true
  }

  /** @returns how many bytes are done with: written, or lost */
  function writePart({ bytes, lines }: Part): number {
    let done = 0
    try {
      while (done < bytes.length) done += writeSync(fd, bytes, done)
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN' || code === 'EBUSY' || code === 'EINTR') return done
      isTorn = true
      lose(lines, code)
    }
    return bytes.length
  }

  function retry(): void {
    timer = undefined
    if (!flush()) return
    tellLost()
    flush()
  }

  function flushSync(): void {
    const end = performance.now() + FLUSH_MS
    while (!flush() && performance.now() < end) Atomics.wait(SLEEP, 0, 0, 5)
    if (pending.length > 0) return
    tellLost()
    flush()
  }

  return { write, flushSync }
}

/**
 * Lets writes to a pipe fail instead of waiting for a reader that may have stopped: Node does so when it opens one. A
 * thread's `process.stdout` is another stream, but the descriptor is one for the whole process. Whether it is a pipe must
 * not be asked by `fstat`: after that of a socket Node's `realpath` takes a cached part of a path for the socket, and
 * leaves links in the paths of modules (lib/fs.js, `binding.statValues`).
 */
function dontWait(fd: number): void {
  if (isMainThread && fd === 1) process.stdout.on('error', () => {})
}
