import { reasonOf, UnavailableError } from '../base/errors.ts'
import { type Logger, logSafely } from '../base/log.ts'
import type { Incoming } from '../base/message.ts'

/** Milliseconds until a copy is sent once more: twice as long each time. The message stays unacknowledged meanwhile. */
const FIRST_WAIT = 250
const LONGEST_WAIT = 10_000
/** How often a copy is tried that fails for its own sake: once as it came, and then bare. */
const TRIES = 3

/** How moving on ended. `void`: the message is not ours any more; `stopped`: the process is; `refused`: it can't be sent. */
export type Moved = 'moved' | 'void' | 'stopped' | 'refused'

export interface MoveOptions {
  stop: AbortSignal
  log: Logger
  /** Told at the first try that has failed. */
  onWait: () => void
  /** Goes on for ever, rather than end as `refused`: for what has nowhere else to go. */
  keepsTrying: boolean
}

/**
 * Sends a copy of a message until the broker has confirmed it, or the message is no longer ours to settle. A copy that can't
 * be sent for its own sake is tried a few times.
 * @param send `bare`: without the headers that it came with
 */
export async function moveOn(
  incoming: Incoming,
  send: (bare: boolean) => Promise<void>,
  { stop, log, onWait, keepsTrying }: MoveOptions,
): Promise<Moved> {
  let refusals = 0
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    // Before each: over a connection that is dead, and not noticed yet, the copy would be a second message.
    if (incoming.lost.aborted || !(await incoming.held())) return 'void'
    try {
      await send(refusals > 0)
      return 'moved'
    } catch (error) {
      if (incoming.lost.aborted) return 'void'
      if (stop.aborted) return 'stopped'
      onWait()
      const details = { id: incoming.id, reason: reasonOf(error) }
      if (error instanceof UnavailableError) {
        logSafely(() => log.debug(details, 'a failed message waits for the broker'))
      } else {
        logSafely(() => log.error(details, 'a failed message could not be moved on; trying again'))
        // What can't be encoded never will be: headers have 64 KiB, and the sender's may fill them.
        refusals++
        if (refusals === 1) continue
        if (refusals >= TRIES && !keepsTrying) return 'refused'
      }
      await sleep(wait, [incoming.lost, stop])
      if (stop.aborted) return 'stopped'
    }
  }
}

/** Resolves after some milliseconds, or as one of the signals is aborted. `AbortSignal.any` would leave a bit in each, for good. */
function sleep(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(wake, ms)
    for (const signal of signals) signal.addEventListener('abort', wake)

    function wake(): void {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', wake)
      resolve()
    }
  })
}
