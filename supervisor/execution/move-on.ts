import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf, UnavailableError, WarrenError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Incoming } from '../base/message.ts'

/** Milliseconds between tries to move a message on while the broker is away: it stays unacked meanwhile. */
const RETRY = 1_000

/**
 * Sends a copy of a message until the broker has confirmed it, or the message is no longer ours to settle.
 * @param send `bare`: without the headers that it came with
 * @returns whether there is a copy
 */
export async function moveOn(
  incoming: Incoming,
  send: (bare: boolean) => Promise<void>,
  { stop, log }: { stop: AbortSignal; log: Logger },
): Promise<boolean> {
  let bare = false
  for (;;) {
    try {
      await send(bare)
      return true
    } catch (error) {
      if (incoming.lost.aborted || stop.aborted) return false
      const details = { id: incoming.id, reason: reasonOf(error) }
      if (error instanceof UnavailableError) log.debug(details, 'a failed message waits for the broker')
      else log.error(details, 'a failed message could not be moved on; trying again')
      // What can't be encoded never will be: headers have 64 KiB, and the sender's may fill them.
      bare ||= !(error instanceof WarrenError)
      await delay(RETRY, undefined, { signal: AbortSignal.any([incoming.lost, stop]) }).catch(() => {})
    }
  }
}
