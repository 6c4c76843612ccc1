import { SET_ASIDE } from '../../base/set-aside.ts'
import type { OnFault } from '../guard.ts'
import type { Queue } from '../queues/queue.ts'
import type { Entry } from '../store/log.ts'

/** Moves a message there that has made something throw: its queue goes on, now and after a restart. */
export type SetAside = (queue: Queue, entry: Entry, reason: unknown) => void

export interface SettingAside {
  /** The queue, declared if it is missing. @throws whatever speaks against that */
  target(): Queue
  readonly log: { error(details: object, message: string): void }
}

/** The arrival of the message, with all its bytes, and its removal from its queue are part of one commit. */
export function settingAside({ target, log }: SettingAside): SetAside {
  return function setAside(queue, entry, reason) {
    const place = { queue: queue.name, position: entry.position, err: reason }
    const report: OnFault = (err) =>
      log.error(
        { ...place, err },
        `a message could not be moved to ${SET_ASIDE}: it stays where it is until the next start`,
      )
    try {
      if (queue.isGone()) return
      if (queue.name === SET_ASIDE) return report(reason)
      const { message } = entry
      // It goes nowhere from there, whatever limits it had.
      if (!target().publish({ ...message, persistent: true, priority: 0 }))
        return report(new Error(`${SET_ASIDE} is full`))
      queue.ack(entry)
      log.error(place, `a message that its queue could not deliver or send on was moved to ${SET_ASIDE}`)
    } catch (error) {
      report(error)
    }
  }
}
