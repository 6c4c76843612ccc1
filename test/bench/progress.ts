// Where a long run is: one line that is written again and again on a terminal, elsewhere a line now and then.

/** Milliseconds between two lines where they stay. */
const EVERY = 30_000

export interface Progress {
  /** Tells what is being done now. */
  show(text: string): void
  /** Takes the line off the terminal: something else is to be written. */
  clear(): void
  end(): void
}

/** The part of a terminal's output, or of any other, that is used. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export function createProgress(output: Output = process.stderr, every = EVERY): Progress {
  let current = ''
  let isShown = false
  const timer = output.isTTY ? undefined : setInterval(tell, every)
  timer?.unref()

  function tell(): void {
    if (current) output.write(`${current}\n`)
  }

  function clear(): void {
    if (isShown) output.write('\r\x1b[K')
    isShown = false
  }

  return {
    show(text) {
      current = text
      if (!output.isTTY) return
      // A longer one would go on in a line that is not written again. A terminal that does not tell has 0 columns.
      output.write(`\r\x1b[K${text.slice(0, (output.columns || 80) - 1)}`)
      isShown = true
    },
    clear,
    end() {
      clear()
      clearInterval(timer)
    },
  }
}
